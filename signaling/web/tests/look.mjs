// Photographs every page in both sizes. Usage: npm run build && npm run look -- OUTPUT_DIRECTORY [CHROMIUM]

import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { Scene, serve, token } from './mock-server.mjs'

const out = process.argv[2] ?? 'look'
const executablePath = process.argv[3] ?? '/usr/bin/chromium'
const PORT = 8098
const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }
const ARGS = ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--disable-gpu', '--disable-features=WebRtcHideLocalIpsWithMdns']

await mkdir(out, { recursive: true })
const browser = await chromium.launch({ executablePath, args: ARGS })
for (const [size, viewport] of Object.entries(SIZES)) {
  await participant(size, viewport)
  await courtroom(size, viewport)
}
await browser.close()

async function stand(size, viewport, seat, work) {
  const scene = new Scene()
  const server = await serve(scene, PORT)
  const context = await browser.newContext({ viewport, hasTouch: size === 'phone', deviceScaleFactor: size === 'phone' ? 2 : 1 })
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()) })
  await page.addInitScript({ path: fileURLToPath(new URL('mock-media.js', import.meta.url)) })
  const shoot = async (name) => {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (overflow > 0) faults.push(`${name}: ${overflow} px too wide`)
    await page.screenshot({ path: `${out}/${size}-${name}.png` })
  }
  const url = (query = '') => `http://127.0.0.1:${PORT}/h/${scene.view.id}${query}#t=${token(seat)}`
  await work({ scene, server, page, shoot, url })
  for (const fault of faults) console.log(`${size} ${seat}: ${fault}`)
  await context.close()
  server.stop()
}

function tap(page, name) { return page.locator(`[data-test=${name}]`).first().click() }
function rest(page, ms = 700) { return page.waitForTimeout(ms) }

async function connected(page) {
  await page.waitForFunction(() => window.hearing.pc?.connectionState === 'connected', null, { timeout: 15_000 })
  await rest(page, 2500)
}

async function participant(size, viewport) {
  await stand(size, viewport, 'counsel', async ({ scene, server, page, shoot, url }) => {
    await page.goto(url())
    await rest(page)
    await shoot('01-welcome')
    await tap(page, 'start')
    await page.waitForSelector('[data-test=enter]')
    await tap(page, 'tone')
    await rest(page, 2500)
    await tap(page, 'heard')
    await rest(page)
    await shoot('02-check')
    await tap(page, 'enter')
    await rest(page)
    await shoot('03-waiting')
    scene.act('judge', { action: 'admit', seat: 'counsel', identity: 'checked-by-document' })
    scene.act('judge', { action: 'open' })
    await connected(page)
    await shoot('04-hearing')
    await tap(page, 'hand')
    await tap(page, 'mic')
    scene.act('judge', { action: 'mute', seat: 'defendant' })
    await rest(page)
    await shoot('05-hearing-hand')
    scene.screens.add('prosecutor')
    scene.speaking = 2
    scene.act('judge', { action: 'give-floor', seat: 'counsel' })
    await rest(page, 2500)
    await shoot('06-hearing-screen')
    scene.screens.clear()
    scene.act('judge', { action: 'recess', reason: 'mediation' })
    server.cut()
    await rest(page, 200)
    await shoot('07-cut')
    await connected(page)
    console.log(`${size} offers ${scene.offers.length} slots ${scene.offers.at(-1).slots.length} sends ${scene.offers.at(-1).sends.length} sdp ${scene.offers.at(-1).sdp.length}`)
    await page.evaluate(() => window.breakMedia())
    await rest(page, 12_000)
    console.log(`${size} offers after the break ${scene.offers.length} media ${await page.evaluate(() => window.hearing.media)}`)
    await page.locator('.tongue').click()
    await rest(page)
    await shoot('08-english')
    await tap(page, 'leave')
    await rest(page)
    await shoot('09-leave')
    await page.keyboard.press('Escape')
    scene.act('judge', { action: 'close' })
    await rest(page)
    await shoot('10-closed')
  })
  await stand(size, viewport, 'witness', async ({ page, shoot, url }) => {
    await page.goto(url('?auto=1'))
    await rest(page, 3000)
    await shoot('11-apart')
  })
  await stand(size, viewport, 'nobody', async ({ page, shoot, url }) => {
    await page.goto(url('?auto=1'))
    await rest(page)
    await shoot('12-refused')
    await page.goto(`http://127.0.0.1:${PORT}/h/x`)
    await rest(page)
    await shoot('13-no-link')
  })
}

async function courtroom(size, viewport) {
  await stand(size, viewport, 'judge', async ({ scene, page, shoot, url }) => {
    const panel = async () => {
      if (size !== 'phone') return
      await tap(page, 'panel')
      await rest(page)
    }
    scene.put('counsel', { presence: 'waiting' })
    scene.put('interpreter', { presence: 'waiting' })
    await page.goto(url('?auto=1'))
    await connected(page)
    await shoot('20-court-waiting')
    await panel()
    if (size === 'phone') await shoot('20b-court-panel')
    await page.locator('[data-seat=counsel] [data-test=admit]').click()
    await rest(page)
    await shoot('21-court-admit')
    await tap(page, 'admit-confirm')
    scene.put('counsel', { presence: 'connected' })
    scene.act('judge', { action: 'admit', seat: 'interpreter', identity: 'known' })
    scene.put('interpreter', { presence: 'connected' })
    await rest(page)
    await tap(page, 'open')
    await rest(page)
    await shoot('22-court-open')
    await page.locator('.ask .el-button--primary').click()
    await rest(page)
    scene.put('counsel', { hand: true })
    await page.locator('[data-test=seats] [data-seat=counsel] .row').click()
    await rest(page, 1500)
    await shoot('23-court-session')
    await tap(page, 'recess')
    await rest(page)
    await shoot('24-court-recess')
    await page.keyboard.press('Escape')
    await rest(page)
    scene.put('prosecutor', { presence: 'admitted' })
    scene.change({ kind: 'record', value: { state: 'faulty', tracks: [], fault: 'no space left on device', warning: null, proof: { binding: null, integrity: null, witness: null } } })
    await rest(page, 1500)
    if (size === 'phone') await page.locator('.el-drawer__close-btn').click()
    await rest(page)
    await shoot('25-court-alarms')
    console.log(`${size} acts ${JSON.stringify(scene.acts)}`)
    console.log(`${size} prefers ${JSON.stringify(scene.prefers.slice(-8))}`)
  })
}
