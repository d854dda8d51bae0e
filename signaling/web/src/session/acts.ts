// What this seat asked of the hearing and has no answer to yet.

import type { Action, ClientMessage, Problem } from '../api/model'

export class Acts {
  private readonly open = new Map<number, (problem: Problem | null) => void>()
  private last = 0

  constructor(private readonly send: (message: ClientMessage) => boolean) {}

  /** Asks; null once it is done, or why not. Never rejects. */
  ask(action: Action): Promise<Problem | null> {
    const id = ++this.last
    return new Promise((resolve) => {
      this.open.set(id, resolve)
      if (!this.send({ type: 'act', id, action })) this.settle(id, OFFLINE)
    })
  }

  settle(id: number, problem: Problem | null): void {
    this.open.get(id)?.(problem)
    this.open.delete(id)
  }

  /** The line was cut: nobody knows whether the open ones were done, so people are told to look. */
  cut(): void {
    for (const id of [...this.open.keys()]) this.settle(id, UNKNOWN_FATE)
  }
}

const OFFLINE: Problem = {
  code: 'offline',
  message: 'not connected; try again in a moment',
  message_zh: '连接已断开，请稍后重试',
}

const UNKNOWN_FATE: Problem = {
  code: 'cut',
  message: 'the line was cut before the answer came; please check and try again',
  message_zh: '线路中断，结果未知，请核对后重试',
}
