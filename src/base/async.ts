import type { Abortable } from './abort.ts';
import { onAbort } from './abort.ts';

/**
 * Runs the tasks of each key one after another, in order of arrival; different keys do not wait for each
 * other.
 */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  /** Whether a task of `key` runs or waits. */
  isBusy(key: string): boolean {
    return this.#tails.has(key);
  }

  /**
   * Runs `task` once every earlier task of `key` has ended. A task whose signal aborts while it waits never
   * starts.
   */
  async run<T>(key: string, task: () => Promise<T>, { signal }: Abortable): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise: turn, resolve: end } = Promise.withResolvers<void>();
    const tail = before.then(() => turn);
    this.#tails.set(key, tail);
    // Only once the earlier tasks have ended too: a task that left the queue must not let the next one run
    // beside them.
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    try {
      await abortable(before, signal);
      return await task();
    } finally {
      end();
    }
  }
}

/**
 * Waits for `promise`, or rejects with the abort reason as soon as `signal` aborts. Does not affect the
 * promise.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _listener = onAbort(signal, () => reject(signal.reason));
  return await Promise.race([promise, aborted]);
}

/**
 * Lets concurrent callers with the same key share one run. The run's signal aborts only when every caller has
 * left, so one that hangs up does not cancel the work of the others.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, { result: Promise<T>; waiting: number; stop: AbortController }>();

  /** Joins the run of `key`, or starts `work` when there is none. */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, { signal }: Abortable): Promise<T> {
    signal.throwIfAborted();
    let entry = this.#running.get(key);
    while (entry?.stop.signal.aborted) {
      // Every caller of this run has left and it is being undone; its failure does not concern this caller.
      await abortable(entry.result.then(nothing, nothing), signal);
      entry = this.#running.get(key);
    }
    if (!entry) {
      const stop = new AbortController();
      const result = work(stop.signal).finally(() => this.#running.delete(key));
      result.catch(() => {});
      entry = { result, waiting: 0, stop };
      this.#running.set(key, entry);
    }
    entry.waiting += 1;
    try {
      return await abortable(entry.result, signal);
    } catch (error) {
      if (signal.aborted && entry.waiting === 1) {
        entry.stop.abort(signal.reason);
        // The last caller waits for the undo, so that "cancelled" means that nothing is left.
        await entry.result.catch(() => {});
      }
      throw error;
    } finally {
      entry.waiting -= 1;
    }
  }
}

function nothing(): void {}
