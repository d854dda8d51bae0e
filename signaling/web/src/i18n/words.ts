// The words for every value of the API that people see.

import { phaseName, type Identity, type Kind, type PauseReason, type Phase, type Presence, type RecordState, type Relief, type SeatView } from '../api/model'
import type { CheckName, Verdict } from '../media/check'
import type { Grade } from '../session/quality'
import type { MessageKey } from './messages'

export const phaseWord = (phase: Phase): MessageKey => PHASES[phaseName(phase)]
export const recordWord = (state: RecordState): MessageKey => RECORDS[state]
export const reasonWord = (reason: PauseReason): MessageKey => REASONS[reason]
export const identityWord = (identity: Identity): MessageKey => IDENTITIES[identity]
export const gradeWord = (grade: Grade | null): MessageKey => (grade === null ? 'qualityNone' : GRADES[grade])
/** What a thin line has cost, in words; null when nothing. */
export const reliefWord = (relief: Relief): MessageKey | null => RELIEFS[relief]
export const trackWord = (kind: Kind): MessageKey => TRACKS[kind]
export const checkWord = (name: CheckName): MessageKey => CHECKS[name]
export const verdictWord = (verdict: Verdict): MessageKey => VERDICTS[verdict]

export function presenceWord(seat: Pick<SeatView, 'presence' | 'apart' | 'left'>): MessageKey {
  const here = seat.presence === 'admitted' || seat.presence === 'connected'
  if (seat.presence === 'admitted' && seat.left) return 'presenceLeft'
  return seat.apart && here ? 'presenceApart' : PRESENCES[seat.presence]
}

/** A seat's title as the value of a text. */
export const titles = (seat: Pick<SeatView, 'title' | 'title_en'>): { zh: string; en: string } => ({
  zh: seat.title,
  en: seat.title_en,
})

const PHASES: Record<ReturnType<typeof phaseName>, MessageKey> = {
  scheduled: 'phaseScheduled',
  waiting: 'phaseWaiting',
  'in-session': 'phaseInSession',
  recess: 'phaseRecess',
  signing: 'phaseSigning',
  closed: 'phaseClosed',
  sealed: 'phaseSealed',
}
const RECORDS: Record<RecordState, MessageKey> = {
  off: 'recordOff',
  running: 'recordRunning',
  paused: 'recordPaused',
  faulty: 'recordFaulty',
  ended: 'recordEnded',
}
const REASONS: Record<PauseReason, MessageKey> = {
  recess: 'reasonRecess',
  'closed-evidence': 'reasonClosedEvidence',
  mediation: 'reasonMediation',
}
const IDENTITIES: Record<Identity, MessageKey> = {
  'checked-by-document': 'identityDocument',
  known: 'identityKnown',
  'vouched-by-custody': 'identityCustody',
  declared: 'identityDeclared',
}
const PRESENCES: Record<Presence, MessageKey> = {
  absent: 'presenceAbsent',
  waiting: 'presenceWaiting',
  admitted: 'presenceAdmitted',
  connected: 'presenceConnected',
  removed: 'presenceRemoved',
}
const GRADES: Record<Grade, MessageKey> = { good: 'qualityGood', fair: 'qualityFair', poor: 'qualityPoor' }
const RELIEFS: Record<Relief, MessageKey | null> = {
  nothing: null,
  resolution: 'reliefResolution',
  'frame-rate': 'reliefFrameRate',
  pictures: 'reliefPictures',
}
const TRACKS: Record<Kind, MessageKey> = { audio: 'trackAudio', video: 'trackVideo', screen: 'trackScreen' }
const CHECKS: Record<CheckName, MessageKey> = {
  camera: 'checkCamera',
  microphone: 'checkMicrophone',
  speaker: 'checkSpeaker',
  network: 'checkNetwork',
}
const VERDICTS: Record<Verdict, MessageKey> = {
  good: 'checkVerdictGood',
  fair: 'checkVerdictFair',
  poor: 'checkVerdictPoor',
  open: 'checkVerdictOpen',
}
