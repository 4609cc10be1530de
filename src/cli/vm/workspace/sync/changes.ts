import { onAbort } from '../../../../base/abort.ts';

/** `ms` without an event after which changes are sent. */
const QUIET_MS = 20;

/** `ms` after which they are sent although events go on. */
const LONGEST_MS = 250;

/** Collects events of a working tree until they are to be sent. */
export class Changes {
  #hasAny = false;
  #hasNewNames = false;
  #lastAt = 0;
  #firstAt = 0;
  #wake: (() => void) | undefined;

  /** Notes an event. */
  note({ isNewName }: { isNewName: boolean }): void {
    const now = performance.now();
    if (!this.#hasAny) this.#firstAt = now;
    this.#hasAny = true;
    this.#lastAt = now;
    this.#hasNewNames ||= isNewName;
    this.#wake?.();
  }

  /**
   * Waits for an event, and then until there was none for 20 ms, or for 250 ms in all. Returns what came, and
   * forgets it; `undefined` when nothing came for `idleMs`.
   */
  async take({
    signal,
    idleMs,
  }: {
    signal: AbortSignal;
    idleMs: number;
  }): Promise<{ hasNewNames: boolean } | undefined> {
    if (!this.#hasAny) await this.#pause(idleMs, signal);
    if (!this.#hasAny) return undefined;
    for (;;) {
      const now = performance.now();
      const left = Math.min(this.#lastAt + QUIET_MS, this.#firstAt + LONGEST_MS) - now;
      if (left <= 0) break;
      await this.#pause(left, signal);
    }
    const taken = { hasNewNames: this.#hasNewNames };
    this.#hasAny = false;
    this.#hasNewNames = false;
    return taken;
  }

  /** Waits `ms`, or until there is an event. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    using _abort = onAbort(signal, () => reject(signal.reason));
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }
}
