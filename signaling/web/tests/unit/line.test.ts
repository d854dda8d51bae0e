import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Problem } from '../../src/api/model'
import { Line, type LineState } from '../../src/session/line'
import { FakeSocket } from './fixtures'

class Followed {
  readonly sockets: FakeSocket[] = []
  readonly states: LineState[] = []
  readonly ups: boolean[] = []
  readonly ends: Problem[] = []
  readonly trips: number[] = []
  seq: number | null = null
  cuts = 0
  readonly line = new Line(
    'session',
    () => {
      const socket = new FakeSocket()
      this.sockets.push(socket)
      return socket
    },
    {
      after: () => this.seq,
      state: (state) => { this.states.push(state) },
      up: (again) => { this.ups.push(again) },
      lost: () => { this.cuts += 1 },
      message: () => undefined,
      ended: (problem) => { this.ends.push(problem) },
      roundTrip: (ms) => { this.trips.push(ms) },
    },
    () => Date.now(),
  )

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (socket === undefined) throw new Error('no socket was opened')
    return socket
  }

  up(): this {
    this.line.connect()
    this.socket.onopen?.()
    return this
  }
}

describe('the line to the hearing', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('says hello without a number first and resumes after the last entry seen', () => {
    const followed = new Followed().up()
    expect(followed.socket.of('hello')).toEqual([{ type: 'hello', session: 'session', after: null }])
    followed.seq = 17
    followed.socket.onclose?.()
    vi.advanceTimersByTime(500)
    followed.socket.onopen?.()
    expect(followed.socket.of('hello')).toEqual([{ type: 'hello', session: 'session', after: 17 }])
    expect(followed.ups).toEqual([false, true])
  })

  it('waits 0.5, 1, 2, 4 and then 5 seconds between attempts', () => {
    const followed = new Followed()
    followed.line.connect()
    for (const wait of [500, 1_000, 2_000, 4_000, 5_000, 5_000]) {
      const before = followed.sockets.length
      followed.socket.onclose?.()
      vi.advanceTimersByTime(wait - 1)
      expect(followed.sockets).toHaveLength(before)
      vi.advanceTimersByTime(1)
      expect(followed.sockets).toHaveLength(before + 1)
    }
  })

  it('starts again at 0.5 seconds once the server has spoken', () => {
    const followed = new Followed().up()
    followed.socket.onclose?.()
    vi.advanceTimersByTime(500)
    followed.socket.onclose?.()
    vi.advanceTimersByTime(1_000)
    followed.socket.onopen?.()
    followed.socket.says({ type: 'live', live: [] })
    followed.socket.onclose?.()
    vi.advanceTimersByTime(500)
    expect(followed.sockets).toHaveLength(4)
  })

  it('gives up a line on which a ping stays unanswered for three seconds', () => {
    const followed = new Followed().up()
    const first = followed.socket
    vi.advanceTimersByTime(2_999)
    expect(first.closed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(first.closed).toBe(true)
    expect(followed.states.at(-1)).toBe('waiting')
    expect(followed.cuts).toBe(1)
  })

  it('keeps a line whose pings are answered and tells the round trip', () => {
    const followed = new Followed().up()
    for (let round = 0; round < 20; round += 1) {
      const ping = followed.socket.of('ping').at(-1) as { at: number }
      vi.advanceTimersByTime(40)
      followed.socket.says({ type: 'pong', at: ping.at })
      vi.advanceTimersByTime(1_960)
    }
    expect(followed.sockets).toHaveLength(1)
    expect(followed.trips[0]).toBe(40)
  })

  it('gives up an attempt that does not open within five seconds', () => {
    const followed = new Followed()
    followed.line.connect()
    vi.advanceTimersByTime(5_500)
    expect(followed.sockets).toHaveLength(2)
  })

  it('does not come back once the server has ended it', () => {
    const followed = new Followed().up()
    const problem = { code: 'removed', message: 'removed', message_zh: '已被请出' }
    followed.socket.says({ type: 'ended', ...problem })
    followed.socket.onclose?.()
    vi.advanceTimersByTime(60_000)
    expect(followed.ends[0]).toMatchObject(problem)
    expect(followed.sockets).toHaveLength(1)
  })

  it('tries at once when the browser says that the network is back', () => {
    const followed = new Followed().up()
    followed.socket.onclose?.()
    followed.line.hurry()
    expect(followed.sockets).toHaveLength(2)
    vi.advanceTimersByTime(4_000)
    expect(followed.sockets).toHaveLength(2)
  })

  it('sends nothing while it is down and ignores what it cannot read', () => {
    const followed = new Followed()
    followed.line.connect()
    expect(followed.line.send({ type: 'ping', at: 1 })).toBe(false)
    followed.socket.onopen?.()
    for (const data of ['{', '42', '{"type":"strange"}', null]) followed.socket.onmessage?.({ data })
    expect(followed.states.at(-1)).toBe('up')
  })
})
