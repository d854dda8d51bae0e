// How the page is built: one bundle for old kiosk browsers, embedded in the `hearing` binary from dist/.
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [vue()],
  base: '/',
  build: {
    target: ['chrome100', 'firefox128'],
    outDir: 'dist',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8080', ws: true } } },
  test: { include: ['tests/unit/**/*.test.ts'] },
})
