// Does anything still come over the connection? Browsers say "disconnected" only after 6.5 s; what they count tells it sooner.

/** Judges the bytes received so far, sample by sample. Pure. */
export class Pulse {
  private samples: { at: number; bytes: number }[] = []
  private grown = 0

  /** True when something came with this sample. */
  beat(bytes: number, at: number): boolean {
    const last = this.samples.at(-1)
    this.samples.push({ at, bytes })
    if (this.samples.length > KEPT) this.samples.shift()
    const grows = last !== undefined && bytes > last.bytes
    if (grows) this.grown = at
    return grows
  }

  /** True when nothing has come for longer than a short stall, although it came all the time before. */
  isQuiet(at: number): boolean {
    const before = this.samples.filter((sample) => sample.at <= this.grown)
    const lively = before.length >= LIVELY && before.slice(1).every((sample, place) => sample.bytes > (before[place]?.bytes ?? 0))
    return lively && at - this.grown >= QUIET_MS
  }

  /** Forgets everything: a silence that was dealt with is not told again. */
  reset(): void {
    this.samples = []
  }
}

/** Bytes received over every path of the connection. */
export async function bytesReceived(peer: Pick<RTCPeerConnection, 'getStats'>): Promise<number> {
  let bytes = 0
  const report = await peer.getStats()
  report.forEach((stats: { type: string; bytesReceived?: number }) => {
    if (stats.type === 'candidate-pair') bytes += stats.bytesReceived ?? 0
  })
  return bytes
}

export const SAMPLE_MS = 400
const QUIET_MS = 1_200
/** Samples in a row that have to grow before a silence means something. */
const LIVELY = 4
const KEPT = 12
