// The page's clock: it runs on by itself, and every picture and sound follows it, so that all of them stay in step.

import { reactive } from 'vue'
import type { Seat, Timeline } from './model'
import { advance, follow, Watched } from './time'

export type View = 'seats' | 'film'

/** A media element and where it should be, told anew on every turn. */
export interface Follower {
  element: HTMLMediaElement
  /** Seconds; null when there is nothing at this time. */
  target: (ms: number) => number | null
}

export class Player {
  readonly state: {
    ms: number
    playing: boolean
    waiting: boolean
    rate: number
    volume: number
    solo: string | null
    view: View
  }

  private readonly followers = new Set<Follower>()
  private readonly watched: Watched
  private last = 0
  private timer = 0

  constructor(
    readonly timeline: Timeline,
    tell: (from: number, to: number) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.watched = new Watched(tell)
    const view: View = timeline.film === null ? 'seats' : 'film'
    this.state = reactive({ ms: timeline.start_ms, playing: false, waiting: false, rate: 1, volume: 1, solo: null, view })
  }

  start(): void {
    this.last = this.now()
    this.timer = window.setInterval(() => { this.turn() }, TURN_MS)
    window.addEventListener('pagehide', () => { this.watched.end() })
  }

  stop(): void {
    window.clearInterval(this.timer)
    this.watched.end()
  }

  add(follower: Follower): () => void {
    this.followers.add(follower)
    return () => { this.followers.delete(follower) }
  }

  play(): void {
    if (this.state.ms >= this.timeline.end_ms) this.state.ms = this.timeline.start_ms
    this.last = this.now()
    this.state.playing = true
    this.turn()
  }

  pause(): void {
    this.state.playing = false
    this.watched.end()
    this.turn()
  }

  /** Goes to a time of the record. */
  seek(ms: number): void {
    this.watched.end()
    this.state.ms = advance(this.timeline, ms, 0)
    this.turn()
  }

  skip(by: number): void {
    this.watched.end()
    this.state.ms = advance(this.timeline, this.state.ms, by)
    this.turn()
  }

  solo(seat: Seat | null): void {
    this.state.solo = seat === null || this.state.solo === seat.name ? null : seat.name
    if (this.state.solo !== null) this.state.view = 'seats'
  }

  /** One turn: the clock runs unless something that should play is still being loaded. */
  turn(): void {
    const now = this.now()
    const passed = now - this.last
    this.last = now
    const { state } = this
    const due = [...this.followers].filter((one) => one.target(state.ms) !== null)
    state.waiting = state.playing && due.some((one) => one.element.readyState < HAVE_FUTURE_DATA && !one.element.ended && one.element.error === null)
    if (state.playing && !state.waiting) {
      state.ms = advance(this.timeline, state.ms, passed * state.rate)
      this.watched.at(state.ms)
      if (state.ms >= this.timeline.end_ms) this.pause()
    }
    for (const follower of this.followers) this.lead(follower)
  }

  private lead({ element, target }: Follower): void {
    const { state } = this
    const place = target(state.ms)
    if (place === null || element.readyState === 0) {
      if (!element.paused) element.pause()
      return
    }
    const running = state.playing && !state.waiting
    const step = follow(element.currentTime, place, state.rate, running)
    if (step.seek !== null && !element.seeking) element.currentTime = step.seek
    if (Math.abs(element.playbackRate - step.rate) > 0.001) element.playbackRate = step.rate
    if (running && element.paused) void element.play().catch(() => { this.pause() })
    if (!running && !element.paused) element.pause()
  }
}

const TURN_MS = 100
const HAVE_FUTURE_DATA = 3
