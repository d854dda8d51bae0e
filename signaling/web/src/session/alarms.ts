// What the courtroom must not overlook, derived from the hearing. Pure.

import { phaseName, type HearingView, type Kind, type LiveSeat, type SeatId, type SeatView } from '../api/model'

export type Alarm =
  | { kind: 'record'; reason: string }
  | { kind: 'space'; reason: string }
  /** `since` is null when the seat was not seen connected since this page looks on. */
  | { kind: 'lost'; seat: SeatView; since: number | null }
  | { kind: 'missing'; seat: SeatView; track: Kind }

/** The alarms, gravest first. */
export function alarms(view: HearingView, live: readonly LiveSeat[], lost: ReadonlyMap<SeatId, number>): Alarm[] {
  const found: Alarm[] = []
  if (view.record.state === 'faulty') found.push({ kind: 'record', reason: view.record.fault ?? '' })
  if (view.record.warning !== null) found.push({ kind: 'space', reason: view.record.warning })
  if (!RUNNING.has(phaseName(view.phase))) return found
  for (const seat of view.seats) {
    if (seat.apart) continue
    if (seat.presence === 'admitted') found.push({ kind: 'lost', seat, since: lost.get(seat.id) ?? null })
    if (seat.presence === 'connected') found.push(...missing(seat, live))
  }
  return found.sort((a, b) => GRAVITY[a.kind] - GRAVITY[b.kind])
}

function missing(seat: SeatView, live: readonly LiveSeat[]): Alarm[] {
  const now = live.find((other) => other.seat === seat.id)
  if (now === undefined) return []
  return seat.required.filter((track) => !now.tracks.includes(track)).map((track) => ({ kind: 'missing', seat, track }))
}

const RUNNING = new Set(['in-session', 'recess', 'signing'])
const GRAVITY = { record: 0, space: 1, lost: 2, missing: 3 }
