// Where in the record the page is, and what of it there is: pure.

import type { Kind } from '../api/model'
import type { Film, Piece, Seat, Timeline } from './model'

/** A track's files. */
export const pieces = (seat: Seat, kind: Kind): Piece[] => seat[kind]

/** The file of a track in which `ms` lies, if there is something at that time. */
export function pieceAt(seat: Seat, kind: Kind, ms: number): Piece | null {
  const missing = seat.gaps.some((gap) => gap.kind === kind && ms > gap.from_ms + FRAME_MS && ms < gap.to_ms)
  if (missing) return null
  return pieces(seat, kind).find((piece) => ms >= piece.start_ms && ms <= piece.end_ms + FRAME_MS) ?? null
}

/** `ms` moved by `by`: pauses are passed over, and the ends hold. */
export function advance(timeline: Pick<Timeline, 'pauses' | 'start_ms' | 'end_ms'>, ms: number, by: number): number {
  let at = ms + by
  for (const pause of timeline.pauses) {
    if (at > pause.from_ms && at < pause.to_ms) at = by < 0 ? pause.from_ms : pause.to_ms
  }
  return Math.min(Math.max(at, timeline.start_ms), timeline.end_ms)
}

/** Where in the film a time of the record is, in seconds. */
export function filmPlace(film: Film, ms: number): number {
  const span = film.spans.find((of) => ms >= of.from_ms && ms <= of.to_ms) ?? film.spans.find((of) => of.from_ms > ms)
  if (span === undefined) return film.length_ms / 1000
  return (span.at_ms + Math.max(0, ms - span.from_ms)) / 1000
}

/** The seats that speak at a time. */
export const speakers = (timeline: Timeline, ms: number): string[] =>
  timeline.seats.filter((seat) => seat.speech.some(([from, to]) => ms >= from && ms <= to)).map((seat) => seat.name)

/** Where a time lies on the timeline, in percent. */
export function percent(timeline: Pick<Timeline, 'start_ms' | 'end_ms'>, ms: number): number {
  const length = Math.max(1, timeline.end_ms - timeline.start_ms)
  return Math.min(100, Math.max(0, ((ms - timeline.start_ms) / length) * 100))
}

/** How a media element gets to where it should be. */
export interface Step {
  /** Seconds to seek to, or null. */
  seek: number | null
  /** How fast it plays. */
  rate: number
}

/** A media element at `now` seconds that should be at `target` while the page plays at `rate`: small differences are played
 * away, so that nothing is heard of it, large ones are jumped over. */
export function follow(now: number, target: number, rate: number, playing: boolean): Step {
  const off = target - now
  if (!playing) return { seek: Math.abs(off) > 0.02 ? target : null, rate }
  if (Math.abs(off) > 0.35 * Math.max(1, rate)) return { seek: target + 0.05 * rate, rate }
  if (Math.abs(off) < 0.02) return { seek: null, rate }
  return { seek: null, rate: rate * (1 + Math.max(-0.08, Math.min(0.08, off))) }
}

/** Collects what was played, for the audit log. */
export class Watched {
  private from: number | null = null
  private to = 0

  constructor(private readonly tell: (from: number, to: number) => void) {}

  /** The page plays and is at `ms`. */
  at(ms: number): void {
    if (this.from !== null && (ms < this.to || ms > this.to + JUMP_MS)) this.end()
    this.from ??= ms
    this.to = ms
    if (ms - this.from >= SPAN_MS) this.end()
  }

  /** It stops playing, or jumps. */
  end(): void {
    if (this.from !== null && this.to > this.from) this.tell(this.from, this.to)
    this.from = null
  }
}

const FRAME_MS = 120
const JUMP_MS = 3_000
const SPAN_MS = 60_000
