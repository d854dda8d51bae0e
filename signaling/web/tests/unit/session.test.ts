import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Api } from '../../src/api/http'
import type { HearingView, Offer, SeatView, ServerMessage } from '../../src/api/model'
import { Session } from '../../src/session/session'
import { FakePeer } from './fake-peer'
import { FakeSocket, seat, view } from './fixtures'

const WITNESS: Partial<SeatView> = { role: 'witness', presence: 'waiting' }
const LINK = { hearing: 'id', token: 'a'.repeat(43), auto: false }

class Court {
  readonly sockets: FakeSocket[] = []
  readonly calls: string[] = []
  readonly offers: Offer[] = []
  /** What the server answers to a join. */
  join: () => Response = () => Response.json({ session: 'session', seat: seat(1, 'witness', WITNESS), case: 'case', template: 'criminal' })
  /** What the server answers to an offer. */
  media: () => Response = () => Response.json({ sdp: 'answer' })
  relays: RTCIceServer[] = []
  readonly session: Session

  constructor() {
    const { sockets } = this
    vi.stubGlobal('WebSocket', class extends FakeSocket {
      constructor() {
        super()
        sockets.push(this)
      }
    })
    this.session = new Session(new Api('id', (input, init) => this.fetch(input, init)), LINK, 'device')
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (socket === undefined) throw new Error('no socket was opened')
    return socket
  }

  async enter(own: Partial<SeatView> = WITNESS): Promise<this> {
    await this.session.join()
    this.socket.onopen?.()
    this.shows({ seats: [seat(1, 'witness', own)] })
    this.session.enter()
    await settle()
    return this
  }

  says(message: ServerMessage): void {
    this.socket.says(message)
  }

  shows(more: Partial<HearingView>): void {
    this.says({ type: 'view', you: 1, view: view(more) })
  }

  changes(seq: number, own: Partial<SeatView>): void {
    this.says({ type: 'entry', entry: { seq, at: 1, change: { kind: 'seat', value: seat(1, 'witness', own) } } })
  }

  slots(): number[] {
    return this.offers.map((offer) => offer.slots.length)
  }

  private fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const call = `${init?.method ?? 'GET'} ${(input as string).split('/').at(-1) ?? ''}`
    this.calls.push(call)
    if (call === 'POST join') return Promise.resolve(this.join())
    if (call === 'GET ice') return Promise.resolve(Response.json({ ice_servers: this.relays, seconds: 600 }))
    if (call === 'POST media') this.offers.push(JSON.parse(init?.body as string) as Offer)
    return Promise.resolve(this.media())
  }
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(60)

describe('a stay on a seat', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('RTCPeerConnection', FakePeer)
    vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => null })
    vi.stubGlobal('MediaStream', class { readonly fake = true })
    vi.stubGlobal('HTMLVideoElement', class { readonly fake = true })
    vi.stubGlobal('window', { addEventListener: () => undefined })
    vi.stubGlobal('location', { origin: 'https://court.test' })
    vi.stubGlobal('navigator', {})
    vi.stubGlobal('document', { createElement: () => ({ play: () => Promise.resolve() }), addEventListener: () => undefined })
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('offers nothing while it waits, and once with all slots when it is admitted', async () => {
    const court = await new Court().enter()
    expect(court.offers).toEqual([])
    court.changes(6, { role: 'witness', presence: 'admitted' })
    court.shows({ seq: 6, seats: [seat(0, 'judge'), seat(1, 'witness', { role: 'witness', presence: 'admitted' }), seat(2, 'counsel')] })
    await settle()
    expect(court.slots()).toEqual([6])
    expect(court.offers[0]?.sends).toHaveLength(3)
  })

  it('offers anew with slots when a witness who waited apart is called', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'admitted', apart: true })
    expect(court.slots()).toEqual([0])
    court.shows({ seq: 7, seats: [seat(0, 'judge'), seat(1, 'witness', { role: 'witness' })] })
    await settle()
    expect(court.slots()).toEqual([0, 3])
  })

  it('keeps its connection through changes that do not touch its slots', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'admitted' })
    court.changes(6, { role: 'witness', presence: 'connected' })
    court.changes(7, { role: 'witness', presence: 'connected', muted: true })
    await settle()
    expect(court.offers).toHaveLength(1)
  })

  it('leaves its media alone when only the line was cut, and follows on from the last entry', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected' })
    ;(court.session.peer as unknown as FakePeer).becomes('connected')
    court.socket.onclose?.()
    expect(court.session.state.line).toBe('waiting')
    await vi.advanceTimersByTimeAsync(500)
    court.socket.onopen?.()
    await settle()
    expect(court.offers).toHaveLength(1)
    expect(court.calls).not.toContain('PATCH media')
    expect(court.socket.of('hello')).toEqual([{ type: 'hello', session: 'session', after: 5 }])
  })

  it('mends its media in place when the server says that it hears nothing', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected' })
    ;(court.session.peer as unknown as FakePeer).becomes('connected')
    const silent = { up_kbps: 0, down_kbps: 0, loss_up: 1, loss_down: 1, rtt_ms: 20, line_kbps: 0, relief: 'nothing' as const }
    const live = (seat: number): ServerMessage => ({ type: 'live', live: [{ seat, speaking: false, quality: silent, tracks: [], recorded: [] }] })
    await vi.advanceTimersByTimeAsync(2_600)
    court.says(live(0))
    await settle()
    expect(court.calls).not.toContain('PATCH media')
    court.says(live(1))
    await settle()
    expect(court.calls.filter((call) => call === 'PATCH media')).toHaveLength(1)
    expect(court.session.state.media).toBe('mending')
    expect(court.offers).toHaveLength(1)
  })

  it('connects by way of the relay that the server names', async () => {
    const court = new Court()
    court.relays = [{ urls: ['turns:turn.test:443'], username: 'u', credential: 'c' }]
    await court.enter({ role: 'witness', presence: 'connected' })
    const peer = court.session.peer as unknown as FakePeer
    expect(peer.configuration).toMatchObject({ bundlePolicy: 'max-bundle', iceServers: court.relays })
  })

  it('tries again at once when its node has not heard of the admission yet', async () => {
    const court = new Court()
    court.media = () => Response.json({ code: 'not_admitted', message: '', message_zh: '' }, { status: 409 })
    await court.enter({ role: 'witness', presence: 'admitted' })
    expect(court.session.state).toMatchObject({ media: 'off', mediaProblem: null })
    court.media = () => Response.json({ sdp: 'answer' })
    await vi.advanceTimersByTimeAsync(400)
    expect(court.session.state.media).toBe('connecting')
    expect(court.offers).toHaveLength(2)
  })

  it('ends its media when it has to wait again', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected' })
    court.changes(6, WITNESS)
    await settle()
    expect(court.calls.at(-1)).toBe('DELETE media')
    expect(court.session.state.media).toBe('off')
  })

  it('joins again when the server no longer knows the session', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected' })
    court.says({ type: 'ended', code: 'unknown_session', message: '', message_zh: '' })
    await settle()
    expect(court.calls.filter((call) => call === 'POST join')).toHaveLength(2)
    court.socket.onopen?.()
    expect(court.socket.of('hello')).toEqual([{ type: 'hello', session: 'session', after: null }])
    expect(court.session.state.stage).toBe('inside')
  })

  it('ends when the court removes the seat, with the reason', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected' })
    court.says({ type: 'ended', code: 'removed', message: 'removed', message_zh: '已被请出' })
    expect(court.session.state).toMatchObject({ stage: 'ended', media: 'off', problem: { code: 'removed' } })
  })

  it('ends without a complaint when the hearing is closed', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected' })
    court.says({ type: 'entry', entry: { seq: 6, at: 1, change: { kind: 'phase', value: 'closed' } } })
    await settle()
    expect(court.session.state).toMatchObject({ stage: 'ended', problem: null })
  })

  it('lets what was said before the close go out, and then ends its media', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected' })
    const peer = court.session.peer as unknown as FakePeer
    court.says({ type: 'entry', entry: { seq: 6, at: 1, change: { kind: 'phase', value: 'closed' } } })
    await settle()
    expect(court.session.state.stage).toBe('ended')
    expect(peer.closed).toBe(false)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(peer.closed).toBe(true)
  })

  it('tells the others when it switches its microphone or camera, and nothing when nothing changes', async () => {
    const court = await new Court().enter({ role: 'witness', presence: 'connected', microphone_off: true, camera_off: true })
    const told = (): unknown[] => court.socket.of('act').map((message) => (message as { action: unknown }).action)
    expect(told()).toEqual([])
    court.session.own.state.audio = { enabled: true } as MediaStreamTrack
    court.session.own.setMicOff(false)
    await settle()
    expect(told()).toEqual([{ action: 'set-devices', microphone: true, camera: false }])
    court.changes(6, { role: 'witness', presence: 'connected', camera_off: true })
    court.session.own.setMicOff(true)
    await settle()
    expect(told().at(-1)).toEqual({ action: 'set-devices', microphone: false, camera: false })
    expect(court.offers).toHaveLength(1)
  })

  it('tries to join again while the server is busy, and not when the link is bad', async () => {
    const court = new Court()
    const joined = court.join
    court.join = () => Response.json({ code: 'busy', message: 'busy', message_zh: '忙' }, { status: 503 })
    const joining = court.session.join()
    await settle()
    expect(court.session.state).toMatchObject({ stage: 'welcome', problem: { code: 'busy' }, joining: true })
    court.join = joined
    await vi.advanceTimersByTimeAsync(500)
    await joining
    expect(court.session.state).toMatchObject({ stage: 'check', problem: null, joining: false })

    const other = new Court()
    other.join = () => Response.json({ code: 'unknown_link', message: 'no', message_zh: '无效' }, { status: 404 })
    await other.session.join()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(other.calls).toEqual(['POST join'])
    expect(other.session.state).toMatchObject({ stage: 'ended', problem: { code: 'unknown_link' } })
  })
})
