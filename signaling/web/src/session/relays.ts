// The relays that the browser may use, kept fresh: their credentials soon end.

import type { IceServers } from '../api/model'

export class Relays {
  private known: RTCIceServer[] = []
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly fetch: () => Promise<IceServers>) {}

  get servers(): RTCIceServer[] {
    return this.known
  }

  /** Asks now, and again when half of their time is over. Without an answer what is known stays; it is asked again soon. */
  async refresh(): Promise<void> {
    clearTimeout(this.timer)
    const answer = await this.fetch().catch(() => null)
    if (answer !== null) this.known = answer.ice_servers
    const wait = answer === null ? AGAIN_MS : Math.min(answer.seconds * 500, LONGEST_MS)
    this.timer = setTimeout(() => void this.refresh(), wait)
  }

  stop(): void {
    clearTimeout(this.timer)
  }
}

const AGAIN_MS = 30_000
/** Browsers fire timers of more than 24 days at once. */
const LONGEST_MS = 86_400_000
