import { setMaxListeners } from 'node:events';
import { type Abortable, onAbort } from '../../base/abort.ts';

/**
 * Tasks that run concurrently and end together. The first failure aborts the others with the same error.
 * Disposing aborts running tasks and waits until all have ended, so that what they used can be removed.
 */
export class TaskGroup implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #listener: Disposable;

  constructor({ signal }: Abortable) {
    // Every running child process listens to it.
    setMaxListeners(0, this.#stop.signal);
    this.#listener = onAbort(signal, () => this.#stop.abort(signal.reason));
  }

  /** Aborts when the outer signal does, when a task has failed, or when the group is disposed of. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Starts `work`. A failure that nobody awaits is not lost: the other tasks fail with it. */
  start<T>(work: (options: Abortable) => Promise<T>): Promise<T> {
    const running = work({ signal: this.signal }).catch((error: unknown) => {
      this.#stop.abort(error);
      throw error;
    });
    const settled = running.then(
      () => {},
      () => {},
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return running;
  }

  /** Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener[Symbol.dispose]();
    this.#stop.abort(new DOMException('the work was disposed of', 'AbortError'));
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

/**
 * Like `Promise.all`, but settles only once every one of `promises` has, so that none still uses what the
 * caller is about to remove.
 */
export async function allEnded<T extends readonly unknown[]>(
  promises: { readonly [K in keyof T]: Promise<T[K]> },
): Promise<{ -readonly [K in keyof T]: T[K] }> {
  await Promise.allSettled(promises);
  return (await Promise.all(promises)) as { -readonly [K in keyof T]: T[K] };
}
