// The media connection of the seat: one peer connection at a time. When the network changes it is mended in place (ICE restart:
// same keys, tracks and slots); when that can't be, it is made anew in the same seat.

import type { Kind, Offer, SeatId, SeatView } from '../api/model'
import { Refused } from '../api/http'
import { Backoff } from '../session/backoff'
import { addLines, makeOffer, type Lines, type Sources } from './offer'
import { Pulse, SAMPLE_MS, type Received } from './pulse'

export type MediaState = 'off' | 'connecting' | 'connected' | 'mending' | 'waiting'

export interface MediaEvents {
  state(state: MediaState): void
  /** A slot has its track; the slot shows this seat for good. */
  track(seat: SeatId, kind: Kind, track: MediaStreamTrack): void
  /** The server refused for good: the seat is not admitted, or the browser has no codec in common. */
  refused(refusal: Refused): void
}

export interface MediaParts {
  configuration(): RTCConfiguration
  peer(configuration: RTCConfiguration): RTCPeerConnection
  post(offer: Offer): Promise<string>
  /** Posts an offer that restarts ICE within the session; the answer's SDP. */
  restart(sdp: string): Promise<string>
  /** Bytes received so far. */
  received(peer: RTCPeerConnection): Promise<Received>
  prefer(transceiver: RTCRtpTransceiver, kind: 'audio' | 'video'): void
}

export class MediaLink {
  private current: RTCPeerConnection | null = null
  private lines: Lines | null = null
  private state: MediaState = 'off'
  private readonly backoff = new Backoff()
  private readonly mendBackoff = new Backoff(MEND_AGAIN_MS)
  private readonly pulse = new Pulse()
  private retry: ReturnType<typeof setTimeout> | undefined
  private patience: ReturnType<typeof setTimeout> | undefined
  private watch: ReturnType<typeof setInterval> | undefined
  /** When the connection came up, or was last mended. */
  private since = 0
  /** When ICE was restarted last. */
  private restarted = -Infinity
  private chosen: number | null = null
  /** Samples in a row in which something came, but not by the way that the browser sends. */
  private astray = 0

  /** `sources` is null for a seat that only watches. */
  constructor(
    private readonly others: readonly Pick<SeatView, 'id'>[],
    private readonly sources: Sources | null,
    private readonly parts: MediaParts,
    private readonly events: MediaEvents,
    private readonly now: () => number = () => performance.now(),
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
    this.become('connecting')
    const peer = this.parts.peer(this.parts.configuration())
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

  /** The network may have changed: mends the connection in place. Nothing happens while that is being done, or was just done. */
  mend(): void {
    if (this.current === null || this.state !== 'connected' || this.now() - this.since < CALM_MS) return
    void this.restart(this.current)
  }

  /** The server says that it hears nothing. A browser that still hears the server believes in the way it sends by and would try no other
   * for 5 s, so it gets a connection that has nothing to believe in; else the connection is mended. */
  unheard(): void {
    if (this.state !== 'connected' || this.now() - this.since < CALM_MS) return
    if (this.pulse.isBeating(this.now())) void this.connect()
    else this.mend()
  }

  /** The server is reached again: whatever waits is tried at once, and what has fallen silent is mended. */
  hurry(): void {
    this.backoff.reset()
    if (this.state === 'waiting') void this.connect()
    else if (this.state === 'mending' && this.retry !== undefined && this.current !== null) void this.restart(this.current)
    else if (this.pulse.isQuiet(this.now())) this.mend()
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
    this.become('off')
  }

  private become(state: MediaState): void {
    this.state = state
    this.events.state(state)
  }

  private deliver(lines: Lines): void {
    for (const { seat, kind, transceiver } of lines.slots) this.events.track(seat, kind, transceiver.receiver.track)
  }

  private judge(peer: RTCPeerConnection): void {
    if (peer !== this.current) return
    switch (peer.connectionState) {
      case 'connected':
        if (this.state !== 'connected') this.up(peer)
        return
      case 'disconnected':
        this.mend()
        return
      case 'failed':
        if (this.state === 'connected') void this.restart(peer)
        else if (this.state === 'connecting') this.broken(peer)
        return
      case 'closed':
        this.broken(peer)
        return
      case 'new':
      case 'connecting':
    }
  }

  private up(peer: RTCPeerConnection): void {
    clearTimeout(this.patience)
    this.clearRetry()
    this.backoff.reset()
    this.mendBackoff.reset()
    this.pulse.reset()
    this.since = this.now()
    this.become('connected')
    this.watch ??= setInterval(() => void this.look(peer), SAMPLE_MS)
  }

  /** Looks whether anything comes, and mends or is done mending. */
  private async look(peer: RTCPeerConnection): Promise<void> {
    const received = await this.parts.received(peer).catch(() => null)
    if (peer !== this.current || received === null) return
    const now = this.now()
    const grows = this.pulse.beat(received.all, now)
    if (this.isAstray(grows, received.chosen, now)) {
      void this.connect()
      return
    }
    if (grows && this.state === 'mending') this.up(peer)
    if (this.state === 'connected' && this.pulse.isQuiet(now)) this.mend()
  }

  /** After a restart browsers go on sending by the old way for up to 5 s, as long as they believe in it, while the server already uses the
   * new one. A new connection has nothing to believe in. */
  private isAstray(grows: boolean, chosen: number | null, now: number): boolean {
    const stuck = grows && chosen !== null && chosen === this.chosen && now - this.restarted < BELIEF_MS
    this.chosen = chosen
    this.astray = stuck ? this.astray + 1 : 0
    return this.astray >= ASTRAY
  }

  private async restart(peer: RTCPeerConnection): Promise<void> {
    this.clearRetry()
    clearTimeout(this.patience)
    this.pulse.reset()
    this.restarted = this.now()
    this.become('mending')
    try {
      peer.setConfiguration(this.parts.configuration())
      peer.restartIce()
      await peer.setLocalDescription(await peer.createOffer())
      const sdp = await this.parts.restart(peer.localDescription?.sdp ?? '')
      if (peer !== this.current) return
      this.patience = setTimeout(() => void this.connect(), MENDED_MS)
      await peer.setRemoteDescription({ type: 'answer', sdp })
    } catch (error) {
      if (peer === this.current) this.notMended(peer, error)
    }
  }

  /** While the server is out of reach the connection waits for it; when it can't be mended, it is made anew. */
  private notMended(peer: RTCPeerConnection, error: unknown): void {
    if (error instanceof Refused && error.passing) {
      this.retry = setTimeout(() => void this.restart(peer), this.mendBackoff.next())
      return
    }
    void this.connect()
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
    this.become('waiting')
    this.retry = setTimeout(() => void this.connect(), this.backoff.next())
  }

  private clearRetry(): void {
    clearTimeout(this.retry)
    this.retry = undefined
  }

  private drop(): void {
    this.clearRetry()
    clearTimeout(this.patience)
    clearInterval(this.watch)
    this.watch = undefined
    this.pulse.reset()
    this.chosen = null
    this.astray = 0
    this.restarted = -Infinity
    const peer = this.current
    this.current = null
    this.lines = null
    if (peer === null) return
    peer.onconnectionstatechange = null
    peer.close()
  }
}

const CONNECT_TIMEOUT_MS = 10_000
/** A restart that was answered and brings nothing within this time is given up for a new connection. */
const MENDED_MS = 1_200
/** The first wait for a server that is out of reach while the connection is mended. */
const MEND_AGAIN_MS = 100
/** How long after a restart a browser may hold on to a dead way. */
const BELIEF_MS = 6_000
/** Samples after which it is not waited for. */
const ASTRAY = 2
/** So long after it came up a connection is not mended: what is told of it may be of the time before. */
const CALM_MS = 2_500
