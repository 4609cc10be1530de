import { invariant } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { WorkNews } from '../../../sdk/work.ts';
import type { ForkOwner } from '../fan-out/fork-owner.ts';

interface SupplyOptions {
  jobCount: number;
  cellCount: number;
  signal: AbortSignal;
  onNews: (news: WorkNews) => void;
}

/**
 * Forks for the cells of a matrix, all as the VM was at one moment. Those that run first are made at once.
 * When there are more cells, one more fork is made, in which nothing runs: the later ones are copies of it,
 * each made when it is its turn.
 */
export class ForkSupply {
  readonly #owner: ForkOwner;
  readonly #ready: Vm[];
  readonly #seed: Vm | undefined;
  #leftCount: number;

  private constructor(
    owner: ForkOwner,
    ready: Vm[],
    { seed, leftCount }: { seed: Vm | undefined; leftCount: number },
  ) {
    this.#owner = owner;
    this.#ready = ready;
    this.#seed = seed;
    this.#leftCount = leftCount;
  }

  /** Makes the first forks. Aborted or failed: none is left. */
  static async open(
    owner: ForkOwner,
    ref: string,
    { jobCount, cellCount, signal, onNews }: SupplyOptions,
  ): Promise<ForkSupply> {
    const hasSeed = cellCount > jobCount;
    const forks = await owner.take(ref, { count: hasSeed ? jobCount + 1 : jobCount, signal, onNews });
    const seed = hasSeed ? forks.at(-1) : undefined;
    const ready = hasSeed ? forks.slice(0, -1) : forks;
    return new ForkSupply(owner, ready, { seed, leftCount: cellCount });
  }

  /** Returns a fork in which nothing was run; with the last, deletes the one that is copied. */
  async take(signal: AbortSignal): Promise<Vm> {
    signal.throwIfAborted();
    const ready = this.#ready.shift();
    if (ready) {
      this.#leftCount -= 1;
      return ready;
    }
    invariant(this.#seed, 'a fork is left for each cell');
    try {
      const [fork] = await this.#owner.take(this.#seed.id, { count: 1, signal });
      return fork;
    } finally {
      // Only now: another take may still be copying it.
      this.#leftCount -= 1;
      if (this.#leftCount <= 0) await this.#owner.drop(this.#seed.id);
    }
  }
}
