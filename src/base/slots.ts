import type { Abortable } from './abort.ts';
import { abortable } from './async.ts';

/** Limits how many things happen at the same time; the others wait for their turn, in order. */
export class Slots {
  #freeCount: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#freeCount = count;
  }

  /** Waits for a free slot and takes it; disposing frees it, and may be repeated. */
  async take({ signal }: Abortable): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#freeCount > 0) this.#freeCount -= 1;
    else {
      const { promise: turn, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      try {
        await abortable(turn, signal);
      } catch (error) {
        const at = this.#waiting.indexOf(resolve);
        // The slot may have been granted at the same moment.
        if (at >= 0) this.#waiting.splice(at, 1);
        else this.#give();
        throw error;
      }
    }
    let isGiven = false;
    return {
      [Symbol.dispose]: () => {
        if (!isGiven) this.#give();
        isGiven = true;
      },
    };
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#freeCount += 1;
  }
}
