// Tells the server in which size each slot is shown, once per change.

import type { ClientMessage, Kind, SeatId, Size } from '../api/model'

export interface Wish {
  seat: SeatId
  kind: Kind
  size: Size
}

export class Sizes {
  private told = new Map<string, Size>()
  private wishes: readonly Wish[] = []

  constructor(private readonly send: (message: ClientMessage) => boolean) {}

  /** The sizes of the layout as it is now. */
  want(wishes: readonly Wish[]): void {
    this.wishes = wishes
    for (const { seat, kind, size } of wishes) {
      const key = `${seat.toString()}/${kind}`
      if (this.told.get(key) === size) continue
      if (this.send({ type: 'prefer', seat, kind, size })) this.told.set(key, size)
    }
  }

  /** The server has forgotten: a new line or a new media session. */
  again(): void {
    this.told = new Map()
    this.want(this.wishes)
  }
}
