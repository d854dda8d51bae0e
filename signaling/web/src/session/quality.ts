// The quality of a connection in one word. Pure.

import type { SeatQuality } from '../api/model'

export type Grade = 'good' | 'fair' | 'poor'

/** Before the first figures. */
export const NOTHING_KNOWN: SeatQuality = {
  up_kbps: 0,
  down_kbps: 0,
  loss_up: 0,
  loss_down: 0,
  rtt_ms: 0,
  line_kbps: 0,
  relief: 'nothing',
}

/** The grade of a seat's connection: its worst figure decides. A round trip of 0 is not known yet. */
export function grade(quality: SeatQuality): Grade {
  const loss = Math.max(quality.loss_up, quality.loss_down)
  if (loss >= 0.08 || quality.rtt_ms >= 500 || quality.relief === 'pictures') return 'poor'
  if (loss >= 0.02 || quality.rtt_ms >= 200 || quality.relief !== 'nothing') return 'fair'
  return 'good'
}
