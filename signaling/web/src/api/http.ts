// The HTTP calls of the page. Every failure is a Refused, so that callers show words and decide by code.

import type { IceServers, Joined, Offer, Problem } from './model'

/** Why a call did not succeed; `status` 0 means that the server was not reached. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(`${problem.code}: ${problem.message}`)
  }

  /** True when the same call may succeed later without anybody doing anything. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

interface Call {
  method: 'GET' | 'POST' | 'PATCH'
  session: string | undefined
  timeoutMs: number
}

/** The calls, bound to one hearing on the origin that served the page. */
export class Api {
  constructor(
    private readonly hearing: string,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
  ) {}

  async join(token: string, device: string): Promise<Joined> {
    return (await this.post('join', { token, device })) as Joined
  }

  /** Posts the offer; the answer's SDP. */
  async offer(session: string, offer: Offer): Promise<string> {
    const answer = (await this.post('media', offer, session)) as { sdp: string }
    return answer.sdp
  }

  /** Posts an offer that restarts ICE; the answer's SDP. Short of patience: the network is in question. */
  async restart(session: string, sdp: string): Promise<string> {
    const call: Call = { method: 'PATCH', session, timeoutMs: RESTART_TIMEOUT_MS }
    const answer = (await this.call('media', { sdp }, call)) as { sdp: string }
    return answer.sdp
  }

  /** The relay that this browser may use, if there is one. */
  async iceServers(session: string): Promise<IceServers> {
    return (await this.call('ice', undefined, { method: 'GET', session, timeoutMs: RELAYS_TIMEOUT_MS })) as IceServers
  }

  /** Ends the media session; also works while the page is being closed. */
  endMedia(session: string): void {
    void this.fetcher(this.path('media'), {
      method: 'DELETE',
      headers: { authorization: `Bearer ${session}` },
      keepalive: true,
    }).catch(() => undefined)
  }

  /** Where the hearing's WebSocket listens. */
  socketUrl(origin: string = location.origin): string {
    return origin.replace(/^http/, 'ws') + this.path('ws')
  }

  private path(resource: string): string {
    return `/api/hearings/${encodeURIComponent(this.hearing)}/${resource}`
  }

  private post(resource: string, body: unknown, session?: string): Promise<unknown> {
    return this.call(resource, body, { method: 'POST', session, timeoutMs: CALL_TIMEOUT_MS })
  }

  private async call(resource: string, body: unknown, { method, session, timeoutMs }: Call): Promise<unknown> {
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    if (session !== undefined) headers['authorization'] = `Bearer ${session}`
    const response = await this.fetcher(this.path(resource), {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: timeout(timeoutMs),
    }).catch(() => {
      throw new Refused(0, UNREACHABLE)
    })
    const answer: unknown = await response.json().catch(() => null)
    if (!response.ok) throw new Refused(response.status, isProblem(answer) ? answer : unreadable(response.status))
    if (answer === null) throw new Refused(response.status, unreadable(response.status))
    return answer
  }
}

// AbortSignal.timeout is younger than the oldest browser that the page is built for.
function timeout(ms: number): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => { controller.abort() }, ms)
  return controller.signal
}

export function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false
  const { code, message } = value as Partial<Problem>
  return typeof code === 'string' && typeof message === 'string'
}

const CALL_TIMEOUT_MS = 10_000
const RESTART_TIMEOUT_MS = 1_000
const RELAYS_TIMEOUT_MS = 3_000

export const UNREACHABLE: Problem = {
  code: 'unreachable',
  message: 'the server of the court cannot be reached',
  message_zh: '无法连接法庭服务器',
}

export const unreadable = (status: number): Problem => ({
  code: 'unreadable',
  message: `the server answered with status ${status.toString()}`,
  message_zh: `服务器返回异常状态 ${status.toString()}`,
})
