// One participant in a real browser, told what to do by one JSON line per command on stdin, answering with one each.
// usage: node seat.mjs chromium|firefox NAMESPACE|- VIDEO.y4m|- AUDIO.wav|-
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { observeInPage } from './observe.mjs';

const [kind, namespace, video, audio] = process.argv.slice(2);
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hearing-seat-'));
const browser = kind === 'firefox' ? await firefox() : await chromium();
const commands = {
  async open({ url }) {
    browser.page.on('console', (message) => console.error(`[${kind}] ${message.text()}`));
    browser.page.on('pageerror', (error) => console.error(`[${kind}] ${error.message}`));
    await browser.page.goto(url);
    return {};
  },
  async observe({ seconds }) {
    return await browser.page.evaluate(observeInPage, seconds);
  },
  async begin() {
    return await browser.page.evaluate(observeInPage, null);
  },
  async end() {
    return await browser.page.evaluate(() => window.observed.end());
  },
  async text() {
    return { text: await browser.page.evaluate(() => document.body.innerText) };
  },
  async wait({ expression, milliseconds = 30000 }) {
    const until = Date.now() + milliseconds;
    for (;;) {
      const value = await browser.page.evaluate(`(() => { try { return ${expression} } catch (e) { return null } })()`);
      if (value) return { value, waited: milliseconds - (until - Date.now()) };
      if (Date.now() > until) throw new Error(`in vain: ${expression}; the page says: ${await browser.page.evaluate(() => document.body.innerText)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
  async evaluate({ expression }) {
    return { value: await browser.page.evaluate(expression) };
  },
  async click({ selector }) {
    await browser.page.click(selector);
    return {};
  },
  // Shows the card of a seat in a tab of its own and shares that tab, by the page's own button.
  async share({ seat }) {
    const card = await browser.page.context().newPage();
    await card.goto(`${new URL('card.html', import.meta.url)}?seat=${seat}`);
    await browser.page.bringToFront();
    await browser.page.click('[data-test=share]');
    await browser.page.waitForSelector('[data-test=unshare]');
    return {};
  },
  async screenshot({ path: file }) {
    await browser.page.screenshot({ path: file });
    return {};
  },
};

console.log(JSON.stringify({ ready: true }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: true, ...(await commands[command](rest)) }));
  } catch (error) {
    console.log(JSON.stringify({ ok: false, error: String(error?.message ?? error) }));
  }
}
await browser.close();
fs.rmSync(scratch, { recursive: true, force: true });

// An executable that puts only the browser into the namespace; this driver stays outside. Where it runs as root a browser raises its
// own priority and starves the nodes beside it, which no browser does that sits on a desk of its own: it may not.
function apart(program) {
  const file = path.join(scratch, path.basename(program));
  const there = namespace === '-' ? '' : `ip netns exec ${namespace} `;
  const humble = process.getuid() === 0 ? 'setpriv --bounding-set=-sys_nice ' : '';
  fs.writeFileSync(file, `#!/bin/sh\nexec ${there}${humble}${program} "$@"\n`, { mode: 0o755 });
  return file;
}

async function chromium() {
  const { chromium } = await import('playwright-core');
  const args = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
    '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding',
    '--use-fake-device-for-media-stream', '--ignore-certificate-errors', '--auto-select-tab-capture-source-by-title=card',
  ];
  if (video !== '-') args.push(`--use-file-for-fake-video-capture=${video}`);
  if (audio !== '-') args.push(`--use-file-for-fake-audio-capture=${audio}`);
  const context = await chromium.launchPersistentContext(path.join(scratch, 'profile'), {
    executablePath: apart('/usr/bin/chromium'), headless: true, args, ignoreHTTPSErrors: true,
    permissions: ['camera', 'microphone'], viewport: { width: 1280, height: 800 },
  });
  return { page: context.pages()[0] ?? (await context.newPage()), close: () => context.close() };
}

async function firefox() {
  const { default: puppeteer } = await import('puppeteer-core');
  const instance = await puppeteer.launch({
    browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true, acceptInsecureCerts: true,
    userDataDir: path.join(scratch, 'profile'), env: { ...process.env, HOME: scratch },
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true,
      'permissions.default.camera': 1, 'permissions.default.microphone': 1,
      'media.peerconnection.ice.loopback': true, 'media.peerconnection.ice.obfuscate_host_addresses': false,
      'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0, 'media.autoplay.block-webaudio': false, 'media.gmp-manager.updateEnabled': false, 'app.update.disabledForTesting': true,
    },
  });
  const page = await instance.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  return { page, close: () => instance.close() };
}
