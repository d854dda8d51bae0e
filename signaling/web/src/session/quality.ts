// The quality of a connection in one word. Pure.

import type { SeatQuality } from '../api/model'

export type Grade = 'good' | 'fair' | 'poor'

/** The grade of a seat's connection: its worst figure decides. A round trip of 0 is not known yet. */
export function grade(quality: SeatQuality): Grade {
  const loss = Math.max(quality.loss_up, quality.loss_down)
  if (loss >= 0.08 || quality.rtt_ms >= 500) return 'poor'
  if (loss >= 0.02 || quality.rtt_ms >= 200) return 'fair'
  return 'good'
}

/** True when the server hears nothing of a seat's connection: both ways are then said to lose everything. */
export const isSilent = (quality: SeatQuality | undefined): boolean => quality?.loss_up === 1 && quality.loss_down === 1
