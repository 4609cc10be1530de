import type { Abortable } from './abort.ts';
import { onAbort } from './abort.ts';

/**
 * Runs the tasks of each key one after another, in the order they came; different keys do not wait for each
 * other.
 */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Runs `task` when every earlier task of `key` has ended. A task whose signal aborts while it waits never
   * starts.
   */
  async run<T>(key: string, task: () => Promise<T>, { signal }: Abortable): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise: turn, resolve: end } = Promise.withResolvers<void>();
    const tail = before.then(() => turn);
    this.#tails.set(key, tail);
    // Only when the earlier tasks have ended too: a task that gave up its place must not let the next one in
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
 * Waits for `promise`, or rejects with the abort reason as soon as `signal` aborts; the promise itself goes
 * on.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _listener = onAbort(signal, () => reject(signal.reason));
  return await Promise.race([promise, aborted]);
}

/**
 * Lets concurrent callers of the same key share one run. The run's signal aborts only when every caller has
 * gone, so one that hangs up does not take the work from the others.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, { result: Promise<T>; waiting: number; stop: AbortController }>();

  /** Joins the run of `key`, or starts `work` when there is none. */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, { signal }: Abortable): Promise<T> {
    signal.throwIfAborted();
    let entry = this.#running.get(key);
    while (entry?.stop.signal.aborted) {
      // Everybody has left this run: it is being undone, and its failure is not ours.
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
