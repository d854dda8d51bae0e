// The types of the HTTP and WebSocket API. They mirror signaling/src/hearing and signaling/src/http word for word.

export type SeatId = number
/** Microseconds since 1970, by the home node's clock. */
export type Timestamp = number

export type Kind = 'audio' | 'video' | 'screen'
export const KINDS: readonly Kind[] = ['audio', 'video', 'screen']

export type Role =
  | 'judge'
  | 'clerk'
  | 'prosecutor'
  | 'defendant'
  | 'guard'
  | 'counsel'
  | 'party'
  | 'witness'
  | 'expert'
  | 'interpreter'
  | 'observer'
  | 'technician'

export type PauseReason = 'recess' | 'closed-evidence' | 'mediation'
export const PAUSE_REASONS: readonly PauseReason[] = ['recess', 'closed-evidence', 'mediation']

export type Phase =
  | 'scheduled'
  | 'waiting'
  | 'in-session'
  | { recess: PauseReason }
  | 'signing'
  | 'closed'
  | 'sealed'
/** A phase without its reason: what most decisions ask for. */
export type PhaseName = 'scheduled' | 'waiting' | 'in-session' | 'recess' | 'signing' | 'closed' | 'sealed'

export const phaseName = (phase: Phase): PhaseName => (typeof phase === 'string' ? phase : 'recess')

export type Presence = 'absent' | 'waiting' | 'admitted' | 'connected' | 'removed'
export type Identity = 'checked-by-document' | 'known' | 'vouched-by-custody' | 'declared'
export const IDENTITIES: readonly Identity[] = ['checked-by-document', 'known', 'vouched-by-custody', 'declared']
export type RecordState = 'off' | 'running' | 'paused' | 'faulty' | 'ended'

export interface SeatView {
  id: SeatId
  name: string
  title: string
  title_en: string
  role: Role
  zone: string
  presence: Presence
  identity: Identity | null
  muted: boolean
  apart: boolean
  hand: boolean
  /** The seat has switched its own microphone off, or has none. */
  microphone_off: boolean
  /** The same of its camera. */
  camera_off: boolean
  /** Its user closed the page on purpose; false after a fault. */
  left: boolean
  required: Kind[]
}

export interface RecordView {
  state: RecordState
  /** Tracks that are being written now, as `seat/kind`. */
  tracks: string[]
  fault: string | null
  /** What may soon be wrong with it. */
  warning: string | null
  proof: Proof
}

/** What proves a record. */
export interface Proof {
  /** What a signature of the transcript binds. */
  binding: string | null
  /** The integrity value of the sealed record, in groups. */
  integrity: string | null
  /** The zone whose node has cosigned the record. */
  witness: string | null
}

/** A moment of the record that somebody marked, or a remark to it. */
export interface Mark {
  note: boolean
  seat: SeatId | null
  text: string
}

export interface HearingView {
  id: string
  case: string
  template: string
  phase: Phase
  opened_at: Timestamp | null
  seats: SeatView[]
  record: RecordView
  floor: SeatId | null
  seq: number
}

export type Change =
  | { kind: 'phase'; value: Phase }
  | { kind: 'seat'; value: SeatView }
  | { kind: 'record'; value: RecordView }
  | { kind: 'floor'; value: SeatId | null }
  | { kind: 'mark'; value: Mark }

export interface Entry {
  seq: number
  at: Timestamp
  change: Change
}

export interface SeatQuality {
  up_kbps: number
  down_kbps: number
  /** 0.0 to 1.0, after repair. */
  loss_up: number
  /** 0.0 to 1.0, before repair. */
  loss_down: number
  /** 0 when not known yet. */
  rtt_ms: number
  /** What the line to the seat carries; 0 when nobody measures it. */
  line_kbps: number
  relief: Relief
}

/** What a thin line to a seat has cost of what it would be shown. */
export type Relief = 'nothing' | 'resolution' | 'frame-rate' | 'pictures'

export interface LiveSeat {
  seat: SeatId
  speaking: boolean
  quality: SeatQuality
  tracks: Kind[]
  recorded: Kind[]
}

export type Action =
  | { action: 'admit'; seat: string; identity: Identity }
  | { action: 'refuse' | 'remove' | 'mute' | 'unmute' | 'call' | 'dismiss' | 'give-floor'; seat: string }
  | { action: 'raise-hand' | 'lower-hand' | 'open' | 'resume' | 'sign' | 'close' }
  | { action: 'recess'; reason: PauseReason }
  | { action: 'mark' | 'note'; text: string }
  | { action: 'set-devices'; microphone: boolean; camera: boolean }

export interface Joined {
  session: string
  seat: SeatView
  case: string
  template: string
}

export type Size = 'off' | 'small' | 'large'

export interface Send {
  mid: string
  kind: Kind
}

export interface Slot {
  mid: string
  seat: SeatId
  kind: Kind
}

export interface Offer {
  sdp: string
  sends: Send[]
  slots: Slot[]
}

export interface IceServers {
  ice_servers: { urls: string[]; username: string; credential: string }[]
  /** For how many seconds they are good. */
  seconds: number
}

/** A refusal as the API words it, for people in both languages and for programs by its code. */
export interface Problem {
  code: string
  message: string
  message_zh: string
}

export type ServerMessage =
  | { type: 'view'; you: SeatId; view: HearingView }
  | { type: 'entry'; entry: Entry }
  | { type: 'live'; live: LiveSeat[] }
  | { type: 'done'; id: number; seq: number }
  | ({ type: 'failed'; id: number } & Problem)
  | ({ type: 'ended' } & Problem)
  | { type: 'layers'; kind: Kind; active: boolean[] }
  | { type: 'pong'; at: number }

export type ClientMessage =
  | { type: 'hello'; session: string; after: number | null }
  | { type: 'act'; id: number; action: Action }
  | { type: 'prefer'; seat: SeatId; kind: Kind; size: Size }
  | { type: 'ping'; at: number }
