// The HTTP calls of the playback page.

import { isProblem, Refused, UNREACHABLE, unreadable } from '../api/http'
import type { ViewLink } from './link'
import type { Timeline } from './model'

/** The calls, bound to one link. */
export class RecordApi {
  constructor(
    private readonly link: ViewLink,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
  ) {}

  /** Shows the secret once; from then on the browser's cookie stands for it. */
  async open(): Promise<void> {
    await this.call('open', { method: 'POST', headers: { authorization: `Bearer ${this.link.token}` } })
  }

  async timeline(): Promise<Timeline> {
    return (await this.call('timeline', {})) as Timeline
  }

  /** Tells which span was played; also works while the page is being closed. */
  watched(from_ms: number, to_ms: number): void {
    const body = JSON.stringify({ from_ms: Math.round(from_ms), to_ms: Math.round(to_ms) })
    void this.fetcher(this.path('view'), { method: 'POST', body, keepalive: true }).catch(() => undefined)
  }

  private path(resource: string): string {
    return `/api/records/${encodeURIComponent(this.link.hearing)}/${resource}`
  }

  private async call(resource: string, init: RequestInit): Promise<unknown> {
    const response = await this.fetcher(this.path(resource), { ...init, credentials: 'same-origin' }).catch(() => {
      throw new Refused(0, UNREACHABLE)
    })
    const answer: unknown = await response.json().catch(() => null)
    if (!response.ok) throw new Refused(response.status, isProblem(answer) ? answer : unreadable(response.status))
    return answer
  }
}
