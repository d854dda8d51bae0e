// The media connection of the seat: one peer connection at a time, made anew in the same seat whenever it breaks.

import type { Kind, Offer, SeatId, SeatView } from '../api/model'
import { Refused } from '../api/http'
import { Backoff } from '../session/backoff'
import { addLines, makeOffer, type Lines, type Sources } from './offer'

export type MediaState = 'off' | 'connecting' | 'connected' | 'waiting'

export interface MediaEvents {
  state(state: MediaState): void
  /** A slot has its track; the slot shows this seat for good. */
  track(seat: SeatId, kind: Kind, track: MediaStreamTrack): void
  /** The server refused for good: the seat is not admitted, or the browser has no codec in common. */
  refused(refusal: Refused): void
}

export interface MediaParts {
  peer(): RTCPeerConnection
  post(offer: Offer): Promise<string>
  prefer(transceiver: RTCRtpTransceiver, kind: 'audio' | 'video'): void
}

export class MediaLink {
  private current: RTCPeerConnection | null = null
  private lines: Lines | null = null
  private readonly backoff = new Backoff()
  private retry: ReturnType<typeof setTimeout> | undefined
  private patience: ReturnType<typeof setTimeout> | undefined

  /** `sources` is null for a seat that only watches. */
  constructor(
    private readonly others: readonly Pick<SeatView, 'id'>[],
    private readonly sources: Sources | null,
    private readonly parts: MediaParts,
    private readonly events: MediaEvents,
  ) {}

  get peer(): RTCPeerConnection | null {
    return this.current
  }

  /** True when the slots are those of exactly these seats. */
  has(others: readonly Pick<SeatView, 'id'>[]): boolean {
    return others.length === this.others.length && others.every(({ id }, place) => this.others[place]?.id === id)
  }

  /** Connects, or connects anew; what was there before is thrown away. */
  async connect(): Promise<void> {
    this.drop()
    this.events.state('connecting')
    const peer = this.parts.peer()
    this.current = peer
    peer.onconnectionstatechange = () => { this.judge(peer) }
    this.patience = setTimeout(() => { this.broken(peer) }, CONNECT_TIMEOUT_MS)
    try {
      const lines = addLines(peer, this.sources, this.others, this.parts.prefer)
      this.lines = lines
      this.deliver(lines)
      const sdp = await this.parts.post(await makeOffer(peer, lines))
      if (peer === this.current) await peer.setRemoteDescription({ type: 'answer', sdp })
    } catch (error) {
      if (peer === this.current) this.failed(peer, error)
    }
  }

  /** Sends `track` as `kind` from now on; null stops it. No new offer is needed. */
  async replace(kind: Kind, track: MediaStreamTrack | null): Promise<void> {
    if (this.sources === null) return
    this.sources[kind] = track
    await this.lines?.senders.get(kind)?.sender.replaceTrack(track)
  }

  /** Sends only these layers of a picture, the smallest first: nobody takes the others. */
  async activate(kind: Kind, active: readonly boolean[]): Promise<void> {
    const sender = this.lines?.senders.get(kind)?.sender
    const parameters = sender?.getParameters()
    if (sender === undefined || parameters === undefined || parameters.encodings.length < 2) return
    parameters.encodings.forEach((encoding, place) => { encoding.active = active[place] ?? true })
    // A connection that ends meanwhile has nothing to send any more.
    await sender.setParameters(parameters).catch(() => undefined)
  }

  close(): void {
    this.drop()
    this.events.state('off')
  }

  private deliver(lines: Lines): void {
    for (const { seat, kind, transceiver } of lines.slots) this.events.track(seat, kind, transceiver.receiver.track)
  }

  private judge(peer: RTCPeerConnection): void {
    if (peer !== this.current) return
    switch (peer.connectionState) {
      case 'connected':
        clearTimeout(this.patience)
        this.backoff.reset()
        this.events.state('connected')
        return
      case 'disconnected':
        clearTimeout(this.patience)
        this.patience = setTimeout(() => { this.broken(peer) }, DISCONNECTED_MS)
        return
      case 'failed':
      case 'closed':
        this.broken(peer)
        return
      case 'new':
      case 'connecting':
    }
  }

  private failed(peer: RTCPeerConnection, error: unknown): void {
    if (error instanceof Refused && !error.passing) {
      this.close()
      this.events.refused(error)
      return
    }
    this.broken(peer)
  }

  private broken(peer: RTCPeerConnection): void {
    if (peer !== this.current) return
    this.drop()
    this.events.state('waiting')
    this.retry = setTimeout(() => void this.connect(), this.backoff.next())
  }

  private drop(): void {
    clearTimeout(this.retry)
    clearTimeout(this.patience)
    const peer = this.current
    this.current = null
    this.lines = null
    if (peer === null) return
    peer.onconnectionstatechange = null
    peer.close()
  }
}

const DISCONNECTED_MS = 2_000
const CONNECT_TIMEOUT_MS = 10_000
