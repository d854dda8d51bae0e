// The self-check before a hearing: four findings, each in words and with a score. Pure.

import type { MessageKey } from '../i18n/messages'

export interface Measured {
  /** Null without a camera. `brightness` is null until a picture is there. */
  camera: { width: number; brightness: number | null } | null
  /** Null without a microphone. The loudest level so far in dBFS. */
  microphone: { peakDb: number } | null
  /** Null until the person has said whether the tone was heard. */
  speaker: boolean | null
  /** Round trip to the court in milliseconds; null while not known. */
  roundTripMs: number | null
}

export type CheckName = 'camera' | 'microphone' | 'speaker' | 'network'
export type Verdict = 'good' | 'fair' | 'poor' | 'open'

export interface Finding {
  name: CheckName
  /** 0 to 25. */
  score: number
  verdict: Verdict
  words: MessageKey
}

export interface Checked {
  findings: Finding[]
  /** 0 to 100. */
  score: number
  verdict: Verdict
}

export function check(measured: Measured): Checked {
  const findings = [camera(measured), microphone(measured), speaker(measured), network(measured)]
  const score = findings.reduce((sum, finding) => sum + finding.score, 0)
  return { findings, score, verdict: overall(findings, score) }
}

function camera({ camera: found }: Measured): Finding {
  if (found === null) return finding('camera', 0, 'checkCameraNone')
  if (found.brightness === null) return finding('camera', 5, 'checkCameraNoPicture')
  if (found.brightness < DARK) return finding('camera', 12, 'checkCameraDark')
  if (found.brightness > BRIGHT) return finding('camera', 15, 'checkCameraBright')
  if (found.width < NARROW) return finding('camera', 18, 'checkCameraCoarse')
  return finding('camera', FULL, 'checkCameraGood')
}

function microphone({ microphone: found }: Measured): Finding {
  if (found === null) return finding('microphone', 0, 'checkMicrophoneNone')
  if (found.peakDb < SILENT_DB) return { ...finding('microphone', 5, 'checkMicrophoneSilent'), verdict: 'open' }
  if (found.peakDb < QUIET_DB) return finding('microphone', 15, 'checkMicrophoneQuiet')
  if (found.peakDb > CLIPPING_DB) return finding('microphone', 18, 'checkMicrophoneLoud')
  return finding('microphone', FULL, 'checkMicrophoneGood')
}

function speaker({ speaker: heard }: Measured): Finding {
  if (heard === null) return { ...finding('speaker', 0, 'checkSpeakerOpen'), verdict: 'open' }
  return heard ? finding('speaker', FULL, 'checkSpeakerGood') : finding('speaker', 0, 'checkSpeakerNone')
}

function network({ roundTripMs: ms }: Measured): Finding {
  if (ms === null) return { ...finding('network', 0, 'checkNetworkOpen'), verdict: 'open' }
  if (ms < 150) return finding('network', FULL, 'checkNetworkGood')
  if (ms < 400) return finding('network', 18, 'checkNetworkFair')
  return finding('network', 8, 'checkNetworkPoor')
}

function finding(name: CheckName, score: number, words: MessageKey): Finding {
  return { name, score, words, verdict: score === FULL ? 'good' : score > 8 ? 'fair' : 'poor' }
}

function overall(findings: Finding[], score: number): Verdict {
  if (findings.some((found) => found.verdict === 'poor')) return 'poor'
  if (findings.some((found) => found.verdict === 'open')) return 'open'
  return score >= GOOD_SUM ? 'good' : 'fair'
}

const FULL = 25
const GOOD_SUM = 85
const DARK = 35
const BRIGHT = 235
const NARROW = 640
const SILENT_DB = -55
const QUIET_DB = -38
const CLIPPING_DB = -3
