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

  /** True when something has just come. */
  isBeating(at: number): boolean {
    return this.samples.length > 0 && at - this.grown < BEATING_MS
  }

  /** Forgets everything: a silence that was dealt with is not told again. */
  reset(): void {
    this.samples = []
  }
}

/** Bytes received: over every path, and over the one by which the browser sends (null where it does not tell). */
export interface Received {
  all: number
  chosen: number | null
}

/** What of a statistic matters here. */
interface Figures {
  type: string
  id: string
  bytesReceived?: number
  selectedCandidatePairId?: string
}

export async function bytesReceived(peer: Pick<RTCPeerConnection, 'getStats'>): Promise<Received> {
  const pairs = new Map<string, number>()
  let chosen: string | undefined
  const report = await peer.getStats()
  report.forEach((figures: Figures) => {
    if (figures.type === 'candidate-pair') pairs.set(figures.id, figures.bytesReceived ?? 0)
    if (figures.type === 'transport') chosen = figures.selectedCandidatePairId
  })
  const all = [...pairs.values()].reduce((sum, bytes) => sum + bytes, 0)
  return { all, chosen: chosen === undefined ? null : (pairs.get(chosen) ?? null) }
}

export const SAMPLE_MS = 300
const QUIET_MS = 1_200
const BEATING_MS = 700
/** Samples in a row that have to grow before a silence means something. */
const LIVELY = 4
const KEPT = 12
