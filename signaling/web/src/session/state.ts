// What the pages show of a session.

import { shallowReactive } from 'vue'
import type { HearingView, Joined, LiveSeat, Problem, SeatId } from '../api/model'
import type { MediaState } from '../media/link'
import type { LineState } from './line'

/** Where the person is: each stage is a page; inside, the seat's presence and role choose it. */
export type Stage = 'welcome' | 'check' | 'inside' | 'left' | 'ended'

export interface SessionState {
  stage: Stage
  /** A join is under way. */
  joining: boolean
  joined: Joined | null
  /** Why the last join or the session came to nothing. */
  problem: Problem | null
  /** Why media was refused; tried again by itself. */
  mediaProblem: Problem | null
  view: HearingView | null
  you: SeatId | null
  live: readonly LiveSeat[]
  /** When seats that were connected lost their connection. */
  lost: ReadonlyMap<SeatId, number>
  /** The last other seat that spoke. */
  speaker: SeatId | null
  line: LineState
  media: MediaState
  roundTripMs: number | null
  /** The browser wants a tap before it plays sound. */
  soundBlocked: boolean
}

export const freshState = (): SessionState =>
  shallowReactive<SessionState>({
    stage: 'welcome',
    joining: false,
    joined: null,
    problem: null,
    mediaProblem: null,
    view: null,
    you: null,
    live: [],
    lost: new Map(),
    speaker: null,
    line: 'connecting',
    media: 'off',
    roundTripMs: null,
    soundBlocked: false,
  })
