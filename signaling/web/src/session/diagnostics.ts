// What tests and technicians may read of the page: `window.hearing`. Nothing can be changed through it.

import { KINDS, phaseName, type PhaseName } from '../api/model'
import type { Session } from './session'
import type { Stage } from './state'

export interface Diagnostics {
  readonly stage: Stage
  /** The hearing's phase without a reason; null before the view is there. */
  readonly phase: PhaseName | null
  /** The slug of the own seat. */
  readonly you: string | null
  /** The elements of all receive slots by `seat/kind`. */
  readonly slots: Record<string, HTMLMediaElement>
  readonly pc: RTCPeerConnection | null
  readonly media: string
  readonly line: string
  readonly seq: number | null
}

declare global {
  interface Window {
    readonly hearing: Diagnostics
  }
}

export function expose(session: Session): void {
  const { state } = session
  const diagnostics: Diagnostics = {
    get stage() { return state.stage },
    get phase() { return state.view === null ? null : phaseName(state.view.phase) },
    get you() { return session.seat?.name ?? null },
    get slots() { return slots(session) },
    get pc() { return session.peer },
    get media() { return state.media },
    get line() { return state.line },
    get seq() { return state.view?.seq ?? null },
  }
  Object.defineProperty(window, 'hearing', { value: Object.freeze(diagnostics) })
}

function slots(session: Session): Record<string, HTMLMediaElement> {
  const others = session.state.view?.seats.filter((seat) => seat.id !== session.state.you) ?? []
  return Object.fromEntries(
    others.flatMap((seat) => KINDS.map((kind) => [`${seat.name}/${kind}`, session.slots.element(seat.id, kind)])),
  )
}
