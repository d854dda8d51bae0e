// A stand-in for the server, for looking at the pages: serves dist and plays a scripted hearing with made-up seats.
// Media is answered inside the page by tests/mock-media.js. Usage: node tests/mock-server.mjs [PORT]

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'

const DIST = new URL('../dist/', import.meta.url)
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' }
// As strict as the node's own.
const POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "font-src 'self' data:; media-src 'self' blob: mediastream:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const QUALITY = { up_kbps: 1800, down_kbps: 4200, loss_up: 0.001, loss_down: 0.004, rtt_ms: 38 }

/** The token of a seat's link, padded to the length of a real one. */
export const token = (seat) => seat.padEnd(43, '_')

const seat = (id, name, title, title_en, role, zone, more = {}) => ({
  id, name, title, title_en, role, zone,
  presence: 'absent', identity: null, muted: false, apart: false, hand: false, microphone_off: false, camera_off: false, required: ['audio', 'video'], ...more,
})

/** A hearing that tests and the look script move on by hand. */
export class Scene {
  constructor() {
    const here = { presence: 'connected', identity: 'checked-by-document' }
    this.view = {
      id: '7f9c2ba4-e88f-427d-9aa8-7f1f0e4b0f53',
      case: '(2022)内0291刑初123号',
      template: 'criminal',
      phase: 'waiting',
      opened_at: null,
      seats: [
        seat(0, 'judge', '审判长', 'Presiding judge', 'judge', 'tripartite', { presence: 'connected', identity: 'known' }),
        seat(1, 'clerk', '书记员', 'Clerk', 'clerk', 'tripartite', { presence: 'connected', identity: 'known' }),
        seat(2, 'prosecutor', '公诉人', 'Prosecutor', 'prosecutor', 'gov', here),
        seat(3, 'defendant', '被告人', 'Defendant', 'defendant', 'tripartite', { presence: 'connected', identity: 'vouched-by-custody' }),
        seat(4, 'guard', '法警', 'Guard', 'guard', 'tripartite', { ...here, required: [] }),
        seat(5, 'counsel', '辩护人', 'Defence counsel', 'counsel', 'internet'),
        seat(6, 'witness', '证人', 'Witness', 'witness', 'internet', { ...here, apart: true }),
        seat(7, 'interpreter', '翻译人员', 'Interpreter', 'interpreter', 'internet'),
      ],
      record: { state: 'off', tracks: [], fault: null, warning: null, proof: { binding: null, integrity: null, witness: null } },
      floor: null,
      seq: 10,
    }
    this.speaking = 3
    this.screens = new Set()
    this.clients = new Set()
    this.acts = []
    this.offers = []
    this.prefers = []
  }

  seat(name) {
    return this.view.seats.find((one) => one.name === name)
  }

  change(change) {
    this.view.seq += 1
    const entry = { seq: this.view.seq, at: Date.now() * 1000, change }
    if (change.kind === 'phase') {
      this.view.phase = change.value
      if (change.value === 'in-session') this.view.opened_at ??= entry.at
    }
    if (change.kind === 'record') this.view.record = change.value
    if (change.kind === 'floor') this.view.floor = change.value
    if (change.kind === 'seat') this.view.seats = this.view.seats.map((one) => (one.id === change.value.id ? change.value : one))
    for (const client of this.clients) client.send({ type: 'entry', entry })
  }

  put(name, more) {
    this.change({ kind: 'seat', value: { ...this.seat(name), ...more } })
    for (const client of this.clients) if (client.seat === name && 'presence' in more) client.show()
  }

  live() {
    const live = this.view.seats
      .filter((one) => one.presence === 'connected' && !one.apart)
      .map((one) => ({
        seat: one.id,
        speaking: one.id === this.speaking,
        quality: one.name === 'interpreter' ? { ...QUALITY, loss_up: 0.04, rtt_ms: 260 } : QUALITY,
        tracks: this.screens.has(one.name) ? ['audio', 'video', 'screen'] : ['audio', 'video'],
        recorded: ['audio', 'video'],
      }))
    for (const client of this.clients) client.send({ type: 'live', live })
  }

  act(name, action) {
    this.acts.push(action)
    const target = action.seat
    switch (action.action) {
      case 'admit': return this.put(target, { presence: 'admitted', identity: action.identity })
      case 'refuse': return this.put(target, { presence: 'absent' })
      case 'remove': return this.put(target, { presence: 'removed' })
      case 'mute': return this.put(target, { muted: true })
      case 'unmute': return this.put(target, { muted: false })
      case 'call': return this.put(target, { apart: false })
      case 'dismiss': return this.put(target, { apart: true })
      case 'raise-hand': return this.put(name, { hand: true })
      case 'lower-hand': return this.put(name, { hand: false })
      case 'set-devices': return this.put(name, { microphone_off: !action.microphone, camera_off: !action.camera })
      case 'give-floor':
        this.put(target, { hand: false })
        return this.change({ kind: 'floor', value: this.seat(target).id })
      case 'open': case 'resume':
        this.change({ kind: 'record', value: { state: 'running', tracks: [], fault: null, warning: null, proof: { binding: null, integrity: null, witness: null } } })
        return this.change({ kind: 'phase', value: 'in-session' })
      case 'recess':
        this.change({ kind: 'record', value: { state: 'paused', tracks: [], fault: null, warning: null, proof: { binding: null, integrity: null, witness: null } } })
        return this.change({ kind: 'phase', value: { recess: action.reason } })
      case 'sign': return this.change({ kind: 'phase', value: 'signing' })
      case 'close':
        this.change({ kind: 'record', value: { state: 'ended', tracks: [], fault: null, warning: null, proof: { binding: null, integrity: null, witness: null } } })
        return this.change({ kind: 'phase', value: 'closed' })
    }
  }
}

/** Serves a scene; resolves to the HTTP server and `cut`, which drops every line. */
export async function serve(scene, port) {
  const server = createServer((request, response) => void answer(scene, request, response))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => follow(scene, socket))
  const beat = setInterval(() => scene.live(), 1000)
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  const cut = () => { for (const socket of sockets.clients) socket.terminate() }
  const stop = () => { clearInterval(beat); cut(); server.close(); server.closeAllConnections() }
  return { server, cut, stop }
}

function follow(scene, socket) {
  const client = {
    seat: null,
    send: (message) => socket.send(JSON.stringify(message)),
    show() {
      const own = scene.seat(client.seat)
      const all = own.presence === 'admitted' || own.presence === 'connected'
      const seats = all ? scene.view.seats : [own]
      client.send({ type: 'view', you: own.id, view: { ...scene.view, seats } })
    },
  }
  socket.on('close', () => scene.clients.delete(client))
  socket.on('message', (data) => {
    const message = JSON.parse(data)
    if (message.type === 'hello') {
      client.seat = message.session
      scene.clients.add(client)
      if (message.after === null) client.show()
      scene.live()
    }
    if (message.type === 'ping') client.send({ type: 'pong', at: message.at })
    if (message.type === 'prefer') scene.prefers.push({ you: client.seat, ...message })
    if (message.type === 'act') {
      scene.act(client.seat, message.action)
      client.send({ type: 'done', id: message.id, seq: scene.view.seq })
    }
  })
}

async function answer(scene, request, response) {
  const { pathname } = new URL(request.url, 'http://localhost')
  if (request.method === 'POST') {
    const body = JSON.parse(await text(request))
    if (pathname.endsWith('/join')) return join(scene, body, response)
    if (pathname.endsWith('/media')) return media(scene, request, body, response)
  }
  if (request.method === 'DELETE') return reply(response, 204, null)
  const file = pathname.startsWith('/assets/') ? `.${pathname}` : './index.html'
  const content = await readFile(fileURLToPath(new URL(file, DIST))).catch(() => null)
  const type = TYPES[extname(file)] ?? 'application/octet-stream'
  response.writeHead(content === null ? 404 : 200, { 'content-type': type, 'content-security-policy': POLICY })
  response.end(content)
}

function join(scene, { token: given }, response) {
  const name = given.replace(/_+$/, '')
  const found = scene.seat(name)
  if (found === undefined) {
    return reply(response, 404, { code: 'unknown_link', message: 'this link is not valid for any seat of the hearing', message_zh: '该链接不属于本次庭审的任何席位' })
  }
  if (found.presence === 'absent') scene.put(name, { presence: 'waiting' })
  reply(response, 200, { session: name, seat: scene.seat(name), case: scene.view.case, template: scene.view.template })
}

// The page's own script has replaced `fetch` for media; this only notes what was offered.
function media(scene, request, offer, response) {
  const name = request.headers.authorization.replace('Bearer ', '')
  scene.offers.push({ you: name, ...offer })
  if (scene.seat(name).presence === 'admitted') scene.put(name, { presence: 'connected' })
  reply(response, 201, { sdp: '' })
}

function reply(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(body === null ? undefined : JSON.stringify(body))
}

async function text(request) {
  let all = ''
  for await (const part of request) all += part
  return all
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(process.argv[2] ?? 8099)
  const scene = new Scene()
  await serve(scene, port)
  for (const { name } of scene.view.seats) console.log(`http://127.0.0.1:${port}/h/${scene.view.id}#t=${token(name)}`)
}
