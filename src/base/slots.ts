import type { Abortable } from './abort.ts';
import { abortable } from './async.ts';

/** Lets at most so many things happen at once; the others wait for their turn, in order. */
export class Slots {
  #freeCount: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#freeCount = count;
  }

  /** Waits for a free slot and takes it; disposing gives it back, twice is fine. */
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
        // It may have been its turn in the same moment.
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
