/** When {@link IdleMemory} collects, and how. */
export interface IdleMemoryOptions {
  /** requests that are running now */
  activeCount: () => number;
  /** default: V8's collection that frees as much as it can, where Node was started with `--expose-gc` */
  collect?: () => void;
  /** `ms` without a request before it collects; default: 10 s */
  idleMs?: number;
}

const IDLE_MS = 10_000;

/**
 * Gives back the memory of a busy time once the daemon has been idle for a while. V8 keeps pages of the heap
 * that it no longer needs for as long as nothing is allocated, which is the rest of the day on an idle host.
 * It collects once after each busy time, because a collection stops the daemon for some 50 ms. Disposing ends
 * it.
 */
export class IdleMemory implements Disposable {
  readonly #activeCount: () => number;
  readonly #collect: () => void;
  readonly #idleMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor({ activeCount, collect = collectAll, idleMs = IDLE_MS }: IdleMemoryOptions) {
    this.#activeCount = activeCount;
    this.#collect = collect;
    this.#idleMs = idleMs;
    this.touch();
  }

  /** Called when a request has begun or ended. */
  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#rest(), this.#idleMs).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #rest(): void {
    // The end of such a request starts the time anew.
    if (this.#activeCount() === 0) this.#collect();
  }
}

function collectAll(): void {
  globalThis.gc?.({ type: 'major', flavor: 'last-resort' });
}
