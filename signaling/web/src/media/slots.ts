// The media elements of the slots: one per seat and kind for as long as the page lives, so a picture never changes places.

import type { Kind, SeatId } from '../api/model'

export class Slots {
  private readonly elements = new Map<string, HTMLMediaElement>()
  /** Called when the browser wants a tap before it plays sound. */
  onblocked: () => void = () => undefined

  /** The element of a slot. Pictures are silent: sound has an element of its own. */
  element(seat: SeatId, kind: Kind): HTMLMediaElement {
    const key = `${seat.toString()}/${kind}`
    const made = this.elements.get(key) ?? make(kind)
    this.elements.set(key, made)
    return made
  }

  show(seat: SeatId, kind: Kind, track: MediaStreamTrack): void {
    const element = this.element(seat, kind)
    element.srcObject = new MediaStream([track])
    this.play(element)
  }

  /** Plays everything again; call it from a tap. */
  unblock(): void {
    for (const element of this.elements.values()) this.play(element)
  }

  /** Plays the sound on another loudspeaker where the browser allows the choice. */
  async useSpeaker(device: string): Promise<void> {
    const elements = [...this.elements.values()].filter((element) => 'setSinkId' in element)
    await Promise.all(elements.map((element) => element.setSinkId(device).catch(() => undefined)))
  }

  private play(element: HTMLMediaElement): void {
    if (element.srcObject === null) return
    element.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.onblocked()
    })
  }
}

function make(kind: Kind): HTMLMediaElement {
  const element = document.createElement(kind === 'audio' ? 'audio' : 'video')
  element.autoplay = true
  if (element instanceof HTMLVideoElement) {
    element.muted = true
    element.playsInline = true
  }
  return element
}
