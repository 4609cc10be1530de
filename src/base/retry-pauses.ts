/**
 * The pauses between attempts at something that fails: each is twice as long as the one before, up to the
 * longest.
 */
export class RetryPauses {
  readonly #limits: { firstMs: number; longestMs: number };
  #nextMs: number;

  constructor(limits: { firstMs: number; longestMs: number }) {
    this.#limits = limits;
    this.#nextMs = limits.firstMs;
  }

  /** Returns the pause after one more failure, in `ms`. */
  next(): number {
    const pauseMs = this.#nextMs;
    this.#nextMs = Math.min(2 * pauseMs, this.#limits.longestMs);
    return pauseMs;
  }

  /** Begins again with the first pause, because an attempt has succeeded. */
  reset(): void {
    this.#nextMs = this.#limits.firstMs;
  }
}
