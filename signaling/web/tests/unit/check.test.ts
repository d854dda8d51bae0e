import { describe, expect, it } from 'vitest'
import { check, type Measured } from '../../src/media/check'

const good: Measured = {
  camera: { width: 1280, brightness: 120 },
  microphone: { peakDb: -20 },
  speaker: true,
  roundTripMs: 30,
}
const words = (measured: Partial<Measured>): string[] => check({ ...good, ...measured }).findings.map((one) => one.words)

describe('the self-check', () => {
  it('gives 100 when all is well', () => {
    expect(check(good)).toMatchObject({ score: 100, verdict: 'good' })
  })

  it('names a missing, a black, a dark, a glaring and a coarse picture', () => {
    expect(words({ camera: null })[0]).toBe('checkCameraNone')
    expect(words({ camera: { width: 1280, brightness: null } })[0]).toBe('checkCameraNoPicture')
    expect(words({ camera: { width: 1280, brightness: 10 } })[0]).toBe('checkCameraDark')
    expect(words({ camera: { width: 1280, brightness: 250 } })[0]).toBe('checkCameraBright')
    expect(words({ camera: { width: 320, brightness: 120 } })[0]).toBe('checkCameraCoarse')
  })

  it('names a missing, a silent, a quiet and a shouting microphone', () => {
    expect(words({ microphone: null })[1]).toBe('checkMicrophoneNone')
    expect(words({ microphone: { peakDb: -80 } })[1]).toBe('checkMicrophoneSilent')
    expect(words({ microphone: { peakDb: -45 } })[1]).toBe('checkMicrophoneQuiet')
    expect(words({ microphone: { peakDb: -1 } })[1]).toBe('checkMicrophoneLoud')
  })

  it('is open until the tone was heard and the network measured', () => {
    expect(check({ ...good, speaker: null })).toMatchObject({ score: 75, verdict: 'open' })
    expect(check({ ...good, roundTripMs: null }).verdict).toBe('open')
  })

  it('is poor as soon as one part does not work, whatever the sum', () => {
    expect(check({ ...good, speaker: false }).verdict).toBe('poor')
    expect(check({ ...good, camera: null }).verdict).toBe('poor')
    expect(check({ ...good, roundTripMs: 900 }).verdict).toBe('poor')
  })

  it('never scores worse for a better measurement', () => {
    const scores = [900, 300, 40].map((roundTripMs) => check({ ...good, roundTripMs }).score)
    expect([...scores].sort((a, b) => a - b)).toEqual(scores)
    for (const finding of check(good).findings) expect(finding.score).toBeLessThanOrEqual(25)
  })
})
