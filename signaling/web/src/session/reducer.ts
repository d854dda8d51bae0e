// The view of a hearing moved on by its journal, entry by entry. Pure.

import { phaseName, type Entry, type HearingView, type SeatId, type SeatView } from '../api/model'

/** The view after `entry`; the same view when it already contains the entry. */
export function reduce(view: HearingView, entry: Entry): HearingView {
  if (entry.seq <= view.seq) return view
  const next = { ...view, seq: entry.seq }
  const { change } = entry
  switch (change.kind) {
    case 'phase':
      next.phase = change.value
      if (phaseName(change.value) === 'in-session') next.opened_at = view.opened_at ?? entry.at
      return next
    case 'seat':
      next.seats = placed(view.seats, change.value)
      return next
    case 'record':
      next.record = change.value
      return next
    case 'floor':
      next.floor = change.value
      return next
    case 'mark':
      return next
  }
}

/** When each seat that was connected lost its connection, moved on by `entry`. */
export function reduceLost(lost: ReadonlyMap<SeatId, number>, before: HearingView, entry: Entry): ReadonlyMap<SeatId, number> {
  if (entry.change.kind !== 'seat' || entry.seq <= before.seq) return lost
  const seat = entry.change.value
  const was = before.seats.find((other) => other.id === seat.id)?.presence
  if (seat.presence === 'admitted' && was === 'connected') return new Map(lost).set(seat.id, entry.at)
  if (seat.presence === 'admitted' || !lost.has(seat.id)) return lost
  const rest = new Map(lost)
  rest.delete(seat.id)
  return rest
}

function placed(seats: SeatView[], seat: SeatView): SeatView[] {
  if (!seats.some((other) => other.id === seat.id)) return [...seats, seat].sort((a, b) => a.id - b.id)
  return seats.map((other) => (other.id === seat.id ? seat : other))
}
