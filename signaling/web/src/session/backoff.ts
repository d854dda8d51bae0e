// How long to wait before trying again: 0.5 s unless said otherwise, doubling up to 5 s.

export class Backoff {
  private failures = 0

  constructor(private readonly firstMs = 500) {}

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const wait = Math.min(this.firstMs * 2 ** this.failures, LIMIT_MS)
    this.failures += 1
    return wait
  }

  reset(): void {
    this.failures = 0
  }
}

const LIMIT_MS = 5_000
