// What this seat sends: its tracks, and what it has switched off itself.

import { shallowReactive } from 'vue'
import type { Kind } from '../api/model'
import { capture, captureScreen, type Choice } from './devices'

export interface OwnState {
  audio: MediaStreamTrack | null
  video: MediaStreamTrack | null
  screen: MediaStreamTrack | null
  micOff: boolean
  cameraOff: boolean
  choice: Choice
}

export class OwnMedia {
  readonly state: OwnState = shallowReactive({
    audio: null,
    video: null,
    screen: null,
    micOff: false,
    cameraOff: false,
    choice: { camera: null, microphone: null },
  })
  /** Told whenever a track takes the place of another one. */
  onreplace: (kind: Kind, track: MediaStreamTrack | null) => void = () => undefined

  /** Told whenever a device goes on or off. */
  onchange: () => void = () => undefined

  /** True while sound of the microphone goes out. */
  get microphone(): boolean {
    return this.state.audio !== null && !this.state.micOff
  }

  /** True while the camera's picture goes out. */
  get camera(): boolean {
    return this.state.video !== null && !this.state.cameraOff
  }

  /** Opens the chosen devices in place of those that are open. */
  async open(choice: Choice = this.state.choice): Promise<void> {
    this.state.choice = choice
    this.put('audio', null)
    this.put('video', null)
    const captured = await capture(choice)
    this.put('audio', captured.audio)
    this.put('video', captured.video)
  }

  setMicOff(off: boolean): void {
    this.state.micOff = off
    if (this.state.audio !== null) this.state.audio.enabled = !off
    this.onchange()
  }

  setCameraOff(off: boolean): void {
    this.state.cameraOff = off
    if (this.state.video !== null) this.state.video.enabled = !off
    this.onchange()
  }

  async share(): Promise<void> {
    const track = await captureScreen()
    if (track !== null) this.put('screen', track)
  }

  stopSharing(): void {
    this.put('screen', null)
  }

  /** Lets go of every device. */
  stop(): void {
    for (const kind of ['audio', 'video', 'screen'] as const) this.put(kind, null)
  }

  private put(kind: Kind, track: MediaStreamTrack | null): void {
    const before = this.state[kind]
    if (before === track) return
    this.state[kind] = track
    before?.stop()
    if (track !== null) {
      if (kind !== 'screen') track.enabled = !(kind === 'audio' ? this.state.micOff : this.state.cameraOff)
      track.onended = () => { this.put(kind, null) }
    }
    this.onreplace(kind, track)
    this.onchange()
  }
}
