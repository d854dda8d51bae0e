// What the server says of a record. Times are milliseconds from the record's beginning unless they say otherwise.

import type { Kind, PauseReason, Problem } from '../api/model'

export interface Timeline {
  hearing: string
  case: string
  viewer: string
  public: boolean
  /** Wall time of 0, microseconds since 1970. */
  epoch: number
  opened: number | null
  closed: number | null
  start_ms: number
  end_ms: number
  seats: Seat[]
  pauses: Pause[]
  marks: Mark[]
  film: Film | null
}

export interface Seat {
  name: string
  title: string
  title_en: string
  audio: Piece[]
  video: Piece[]
  screen: Piece[]
  speech: [number, number][]
  gaps: Gap[]
}

/** A file of a track; its own times are the record's. */
export interface Piece {
  url: string
  start_ms: number
  end_ms: number
  codec: string
}

export interface Gap {
  kind: Kind
  from_ms: number
  to_ms: number
  reason: string
}

export interface Pause {
  from_ms: number
  to_ms: number
  reason: PauseReason
  closed: boolean
}

export interface Mark {
  at_ms: number
  text: string
}

/** The composed film, and where in the record its parts are. */
export interface Film {
  url: string
  length_ms: number
  spans: { from_ms: number; to_ms: number; at_ms: number }[]
}

export type Stage = { at: 'opening' } | { at: 'refused'; problem: Problem } | { at: 'open'; timeline: Timeline }
