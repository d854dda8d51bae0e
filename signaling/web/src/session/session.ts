// One stay on a seat: joins, follows the hearing, and keeps the media connected while the seat is admitted.

import { Refused, type Api } from '../api/http'
import { phaseName, type Action, type Joined, type Kind, type PhaseName, type Problem, type SeatId, type SeatView, type ServerMessage } from '../api/model'
import { MediaLink, type MediaState } from '../media/link'
import { OwnMedia } from '../media/own'
import { Sizes } from '../media/sizes'
import { Slots } from '../media/slots'
import { Acts } from './acts'
import { keepAwake } from './awake'
import { Backoff } from './backoff'
import { Line, type SocketLike } from './line'
import type { JoinLink } from './link'
import { reduce, reduceLost } from './reducer'
import { isSilent } from './quality'
import { mediaParts } from './parts'
import { Relays } from './relays'
import { isCourt, publishes } from './roles'
import { freshState } from './state'

export class Session {
  readonly state = freshState()
  readonly own = new OwnMedia()
  readonly slots = new Slots()
  readonly sizes = new Sizes((message) => this.line?.send(message) ?? false)
  private readonly acts = new Acts((message) => this.line?.send(message) ?? false)
  private readonly backoff = new Backoff()
  private readonly relays = new Relays(() => this.api.iceServers(this.state.joined?.session ?? ''))
  private line: Line | null = null
  private media: MediaLink | null = null
  private considering: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly api: Api,
    private readonly link: JoinLink,
    private readonly device: string,
  ) {
    this.slots.onblocked = () => { this.state.soundBlocked = true }
    this.own.onreplace = (kind, track) => void this.media?.replace(kind, track)
    this.own.onchange = () => { this.considerMedia() }
    window.addEventListener('online', () => {
      this.line?.hurry()
      this.media?.mend()
    })
    window.addEventListener('pagehide', () => { this.endMedia() })
  }

  /** The seat as the hearing sees it now. */
  get seat(): SeatView | null {
    const { view, you, joined } = this.state
    return view?.seats.find((seat) => seat.id === you) ?? joined?.seat ?? null
  }

  get peer(): RTCPeerConnection | null {
    return this.media?.peer ?? null
  }

  /** Joins the seat; tries again by itself while the server can't be reached. */
  async join(): Promise<void> {
    this.state.joining = true
    this.state.problem = null
    while (await this.mustJoinAgain()) await new Promise((resolve) => setTimeout(resolve, this.backoff.next()))
    this.state.joining = false
  }

  /** Joins and opens the devices for the self-check. */
  async prepare(): Promise<void> {
    await this.join()
    const { seat } = this
    if (seat === null) return
    const opening = publishes(seat.role) ? this.own.open() : Promise.resolve()
    if (!this.link.auto) return
    // A device that nobody allows must not keep a kiosk out: its track follows when it comes.
    await Promise.race([opening, new Promise((resolve) => setTimeout(resolve, AUTO_DEVICES_MS))])
    this.enter()
  }

  /** From the self-check to the waiting room, and on into the hearing once admitted. */
  enter(): void {
    if (this.state.joined === null) return
    this.state.stage = 'inside'
    keepAwake()
    this.considerMedia()
  }

  /** Asks something of the hearing; null once done, or why not. */
  act(action: Action): Promise<Problem | null> {
    return this.acts.ask(action)
  }

  /** The person leaves of their own will; the seat stays theirs. */
  leave(): void {
    this.endMedia()
    this.line?.close()
    this.line = null
    this.relays.stop()
    this.state.stage = 'left'
    this.own.stop()
  }

  /** Plays held-back sound; call it from a tap. */
  unblockSound(): void {
    this.state.soundBlocked = false
    this.slots.unblock()
  }

  /** Tries once; true when another attempt may do better. */
  private async mustJoinAgain(): Promise<boolean> {
    try {
      this.joined(await this.api.join(this.link.token, this.device))
      await this.relays.refresh()
      return false
    } catch (error) {
      const refusal = error instanceof Refused ? error : null
      this.state.problem = refusal?.problem ?? BROKEN
      if (refusal?.passing ?? false) return true
      this.end()
      return false
    }
  }

  private joined(joined: Joined): void {
    this.backoff.reset()
    this.state.joined = joined
    this.state.problem = null
    if (this.state.stage === 'welcome') this.state.stage = 'check'
    this.line?.close()
    this.line = new Line(joined.session, () => this.socket(), {
      after: () => this.state.view?.seq ?? null,
      state: (state) => { this.state.line = state },
      up: (again) => { this.lineUp(again) },
      lost: () => { this.acts.cut() },
      message: (message) => { this.received(message) },
      ended: (problem) => { this.ended(problem) },
      roundTrip: (ms) => { this.state.roundTripMs = ms },
    })
    this.line.connect()
  }

  private socket(): SocketLike {
    return new WebSocket(this.api.socketUrl()) as SocketLike
  }

  private lineUp(again: boolean): void {
    this.sizes.again()
    if (again) this.media?.hurry()
  }

  private received(message: ServerMessage): void {
    const { state } = this
    switch (message.type) {
      case 'view':
        state.you = message.you
        state.view = message.view
        state.lost = new Map()
        this.considerMedia()
        return
      case 'entry':
        if (state.view === null) return
        state.lost = reduceLost(state.lost, state.view, message.entry)
        state.view = reduce(state.view, message.entry)
        this.considerMedia()
        return
      case 'live':
        state.live = message.live
        // The server does not hear this page, though the page may still hear the server.
        if (isSilent(message.live.find((live) => live.seat === state.you)?.quality)) this.media?.unheard()
        state.speaker = message.live.find((live) => live.speaking && live.seat !== state.you)?.seat ?? state.speaker
        return
      case 'done':
        this.acts.settle(message.id, null)
        return
      case 'failed':
        this.acts.settle(message.id, message)
        return
      case 'layers':
        void this.media?.activate(message.kind, message.active)
        return
      case 'ended':
      case 'pong':
    }
  }

  private ended(problem: Problem): void {
    if (REJOIN_CODES.has(problem.code) && this.state.view !== null) {
      this.state.view = null
      this.media?.close()
      this.media = null
      void this.join()
      return
    }
    const over = OVER_CODES.has(problem.code)
    this.state.problem = over ? null : problem
    this.end(over)
  }

  // Being admitted comes as an entry and then as a view with all seats: wait for both, so that one offer has all slots.
  private considerMedia(): void {
    clearTimeout(this.considering)
    this.considering = setTimeout(() => { this.decideMedia() }, SETTLE_MS)
  }

  private decideMedia(): void {
    const { seat } = this
    const { stage, view, you } = this.state
    if (view === null || seat === null) return
    if (OVER.has(phaseName(view.phase))) {
      // The court stays until the record is sealed, to see what proves it.
      const stays = isCourt(seat.role) && view.phase === 'closed' && view.opened_at !== null
      this.end(true, stays)
      return
    }
    if (stage !== 'inside') return
    if (seat.presence !== 'admitted' && seat.presence !== 'connected') {
      this.endMedia()
      return
    }
    this.tellDevices(seat)
    const others = view.seats.filter((other) => other.id !== you)
    if (this.media?.has(others) ?? false) return
    this.media?.close()
    this.startMedia(others, seat)
  }

  // The others shall know why they hear or see nothing of this seat.
  private tellDevices(seat: SeatView): void {
    const { microphone, camera } = this.own
    if (!publishes(seat.role) || (microphone !== seat.microphone_off && camera !== seat.camera_off)) return
    void this.act({ action: 'set-devices', microphone, camera })
  }

  private startMedia(others: SeatView[], seat: SeatView): void {
    const { audio, video, screen } = this.own.state
    const sources = publishes(seat.role) ? { audio, video, screen } : null
    const parts = mediaParts(this.api, () => this.state.joined?.session ?? '', this.relays)
    this.media = new MediaLink(others, sources, parts, {
      state: (state) => { this.mediaState(state) },
      track: (other: SeatId, kind: Kind, track) => { this.slots.show(other, kind, track) },
      refused: (refusal) => { this.mediaRefused(refusal) },
    })
    void this.media.connect()
  }

  private mediaState(state: MediaState): void {
    this.state.media = state
    if (state !== 'connected') return
    this.state.mediaProblem = null
    this.sizes.again()
  }

  private mediaRefused(refusal: Refused): void {
    this.media = null
    if (refusal.problem.code === 'unknown_session') {
      this.ended(refusal.problem)
      return
    }
    // A node learns of an admission a moment after the page.
    const early = refusal.problem.code === 'not_admitted'
    this.state.mediaProblem = early ? null : refusal.problem
    setTimeout(() => { this.considerMedia() }, early ? EARLY_AGAIN_MS : REFUSED_AGAIN_MS)
  }

  private endMedia(): void {
    if (this.media === null) return
    this.media.close()
    this.media = null
    if (this.state.joined !== null) this.api.endMedia(this.state.joined.session)
  }

  /**
   * `over`: the hearing was closed. What was said before may still be on its way then, and the record waits for it.
   * `stays`: the line stays, for what is told of the record.
   */
  private end(over = false, stays = false): void {
    clearTimeout(this.considering)
    this.state.stage = 'ended'
    const { media } = this
    if (over) setTimeout(() => { media?.close() }, FLUSH_MS)
    else media?.close()
    this.media = null
    this.relays.stop()
    if (!stays) {
      this.line?.close()
      this.line = null
    }
    this.own.stop()
  }
}

const OVER: ReadonlySet<PhaseName> = new Set<PhaseName>(['closed', 'sealed'])
/** Codes by which the server says that the hearing itself is over. */
const OVER_CODES = new Set(['hearing_closed', 'wrong_phase'])
/** Codes after which the same device may simply join again. */
const REJOIN_CODES = new Set(['unknown_session', 'too_fast'])
const [SETTLE_MS, EARLY_AGAIN_MS] = [50, 300]
const REFUSED_AGAIN_MS = 5_000
const AUTO_DEVICES_MS = 3_000
const FLUSH_MS = 1_000

const BROKEN: Problem = { code: 'broken', message: 'this page has failed; please reload', message_zh: '页面出错，请重新加载' }
