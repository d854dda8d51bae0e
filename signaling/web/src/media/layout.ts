// Who stands where on the stage: one large place and tiles, or tiles alone. Pure.

import type { HearingView, LiveSeat, SeatId, SeatView } from '../api/model'
import type { Wish } from './sizes'

export interface Place {
  seat: SeatView
  kind: 'video' | 'screen'
}

export interface Layout {
  /** Shown large; null when all tiles are equal. */
  focus: Place | null
  tiles: Place[]
}

export interface Scene {
  view: HearingView
  you: SeatId
  live: readonly LiveSeat[]
  /** What the viewer chose to see large. */
  pinned: { seat: SeatId; kind: 'video' | 'screen' } | null
  /** The last seat that spoke. */
  speaker: SeatId | null
  /** A small screen always has a large place. */
  narrow: boolean
}

/** The layout of a scene. Own picture never becomes large by itself. */
export function layout(scene: Scene): Layout {
  const seats = scene.view.seats.filter((seat) => onStage(seat, scene.you))
  const places: Place[] = [...screens(seats, scene), ...seats.map((seat): Place => ({ seat, kind: 'video' }))]
  const focus = focusOf(places, scene)
  return { focus, tiles: places.filter((place) => place !== focus) }
}

/** The sizes that a layout wants from the server: every slot of every other seat. */
export function wishes(shown: Layout, view: HearingView, you: SeatId): Wish[] {
  const many = shown.tiles.length > LARGE_TILES
  const size = (seat: SeatId, kind: 'video' | 'screen'): Wish['size'] => {
    const is = (place: Place): boolean => place.seat.id === seat && place.kind === kind
    if (shown.focus !== null && is(shown.focus)) return 'large'
    if (kind === 'screen') return shown.focus?.kind === 'screen' ? 'small' : 'large'
    if (!shown.tiles.some(is)) return 'off'
    return shown.focus === null && !many ? 'large' : 'small'
  }
  const others = view.seats.filter((seat) => seat.id !== you)
  return others.flatMap(({ id }) => (['video', 'screen'] as const).map((kind) => ({ seat: id, kind, size: size(id, kind) })))
}

function onStage(seat: SeatView, you: SeatId): boolean {
  const here = seat.presence === 'connected' || seat.presence === 'admitted'
  return here && (!seat.apart || seat.id === you) && seat.role !== 'observer'
}

function screens(seats: SeatView[], scene: Scene): Place[] {
  const shares = (seat: SeatView): boolean =>
    seat.id !== scene.you && scene.live.some((live) => live.seat === seat.id && live.tracks.includes('screen'))
  return seats.filter(shares).map((seat) => ({ seat, kind: 'screen' }))
}

function focusOf(places: Place[], scene: Scene): Place | null {
  const find = (seat: SeatId | null, kind: 'video' | 'screen'): Place | undefined =>
    places.find((place) => place.seat.id === seat && place.kind === kind)
  const { pinned } = scene
  const chosen = pinned === null ? undefined : find(pinned.seat, pinned.kind)
  const screen = places.find((place) => place.kind === 'screen')
  if (chosen !== undefined || screen !== undefined) return chosen ?? screen ?? null
  const others = places.filter((place) => place.seat.id !== scene.you)
  if (!scene.narrow && places.length <= EQUAL_TILES) return null
  const notYou = (seat: SeatId | null): SeatId | null => (seat === scene.you ? null : seat)
  const judge = others.find((place) => place.seat.role === 'judge')
  return find(notYou(scene.view.floor), 'video') ?? find(notYou(scene.speaker), 'video') ?? judge ?? others[0] ?? null
}

/** Up to this many pictures stand side by side in equal size on a wide screen. */
const EQUAL_TILES = 9
/** Up to this many equal tiles are each large enough for the full picture. */
const LARGE_TILES = 4
