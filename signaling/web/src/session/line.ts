// The WebSocket to the hearing: says hello, resumes after the last entry seen, notices a dead line and comes back by itself.

import type { ClientMessage, Problem, ServerMessage } from '../api/model'
import { Backoff } from './backoff'

export type LineState = 'connecting' | 'up' | 'waiting' | 'ended'

/** What the line needs of a WebSocket; tests bring their own. */
export interface SocketLike {
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: (() => void) | null
  send(text: string): void
  close(): void
}

export interface LineEvents {
  /** The last entry that the page has, or null when it has no view. */
  after(): number | null
  state(state: LineState): void
  /** The line is up; `again` is true when it was up before. */
  up(again: boolean): void
  /** The line was cut; it comes back by itself. */
  lost(): void
  message(message: ServerMessage): void
  /** The server has ended the session for good. */
  ended(problem: Problem): void
  roundTrip(ms: number): void
}

export class Line {
  private socket: SocketLike | null = null
  private readonly backoff = new Backoff()
  private wasUp = false
  private isUp = false
  private over = false
  private retry: ReturnType<typeof setTimeout> | undefined
  private beat: ReturnType<typeof setInterval> | undefined
  private deadline: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly session: string,
    private readonly open: () => SocketLike,
    private readonly events: LineEvents,
    /** Milliseconds from any start; whole, as the server echoes an integer. */
    private readonly now: () => number = () => Math.round(performance.now()),
  ) {}

  connect(): void {
    if (this.over || this.socket !== null) return
    clearTimeout(this.retry)
    this.events.state('connecting')
    const socket = this.open()
    this.socket = socket
    this.deadline = setTimeout(() => { this.lost(socket) }, OPEN_TIMEOUT_MS)
    socket.onopen = () => { this.opened(socket) }
    socket.onmessage = (event) => { this.received(socket, event.data) }
    socket.onclose = () => { this.lost(socket) }
  }

  /** Tries at once instead of after the wait: the browser says that the network is back. */
  hurry(): void {
    this.backoff.reset()
    this.connect()
  }

  /** Sends when the line is up; false when it is not. */
  send(message: ClientMessage): boolean {
    if (!this.isUp || this.socket === null) return false
    this.socket.send(JSON.stringify(message))
    return true
  }

  /** Ends the line for good. */
  close(): void {
    this.over = true
    this.drop()
    clearTimeout(this.retry)
    this.events.state('ended')
  }

  private opened(socket: SocketLike): void {
    if (socket !== this.socket) return
    this.stopDeadline()
    const hello: ClientMessage = { type: 'hello', session: this.session, after: this.events.after() }
    socket.send(JSON.stringify(hello))
    this.isUp = true
    this.events.state('up')
    this.ping(socket)
    this.beat = setInterval(() => { this.ping(socket) }, PING_EVERY_MS)
    const again = this.wasUp
    this.wasUp = true
    this.events.up(again)
  }

  private received(socket: SocketLike, data: unknown): void {
    if (socket !== this.socket) return
    const message = parse(data)
    if (message === null) return
    this.backoff.reset()
    switch (message.type) {
      case 'pong':
        this.stopDeadline()
        this.events.roundTrip(Math.max(0, this.now() - message.at))
        return
      case 'ended':
        this.close()
        this.events.ended(message)
        return
      case 'view':
      case 'entry':
      case 'live':
      case 'done':
      case 'failed':
      case 'layers':
        this.events.message(message)
    }
  }

  private ping(socket: SocketLike): void {
    const ping: ClientMessage = { type: 'ping', at: this.now() }
    socket.send(JSON.stringify(ping))
    this.deadline ??= setTimeout(() => { this.lost(socket) }, SILENCE_MS)
  }

  private lost(socket: SocketLike): void {
    if (socket !== this.socket || this.over) return
    this.drop()
    this.events.state('waiting')
    this.events.lost()
    this.retry = setTimeout(() => { this.connect() }, this.backoff.next())
  }

  private stopDeadline(): void {
    clearTimeout(this.deadline)
    this.deadline = undefined
  }

  private drop(): void {
    this.stopDeadline()
    clearInterval(this.beat)
    const socket = this.socket
    this.socket = null
    this.isUp = false
    if (socket === null) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
  }
}

function parse(data: unknown): ServerMessage | null {
  if (typeof data !== 'string') return null
  try {
    const value: unknown = JSON.parse(data)
    const typed = typeof value === 'object' && value !== null && 'type' in value
    return typed && KNOWN.has(String(value.type)) ? (value as ServerMessage) : null
  } catch {
    return null
  }
}

const KNOWN = new Set(['view', 'entry', 'live', 'done', 'failed', 'ended', 'layers', 'pong'])
const OPEN_TIMEOUT_MS = 5_000
const PING_EVERY_MS = 2_000
/** A line on which a ping stays unanswered for this long is dead. */
const SILENCE_MS = 3_000
