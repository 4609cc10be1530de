import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from './errors.ts';
import { formatTime } from './text/words.ts';

/** Last options argument of every function that can wait. */
export interface Abortable {
  signal: AbortSignal;
}

/** How {@link poll} waits. */
export interface PollOptions extends Abortable {
  everyMs: number;
  deadlineMs: number;
  /** what is waited for, for the error: "the guest agent to answer" */
  what: string;
}

/**
 * Calls `attempt` until it returns something other than `undefined`, and returns that.
 *
 * @throws {AppError} WAIT_TIMEOUT when `deadlineMs` have passed; the abort reason when `signal` aborts.
 */
export async function poll<T>(
  attempt: () => Promise<T | undefined> | T | undefined,
  options: PollOptions,
): Promise<T> {
  const endsAt = performance.now() + options.deadlineMs;
  for (;;) {
    options.signal.throwIfAborted();
    const value = await attempt();
    if (value !== undefined) return value;
    if (performance.now() >= endsAt) throw timeoutError(options.what, options.deadlineMs);
    await sleep(options.everyMs, options);
  }
}

/** Waits `ms`; rejects with the abort reason as soon as `signal` aborts. */
export async function sleep(ms: number, { signal }: Abortable): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/**
 * Runs `work` with a signal that aborts when `signal` does or after `deadlineMs`, whichever is first; leaves
 * no timer and no listener behind.
 *
 * @throws {AppError} WAIT_TIMEOUT naming `what` when the deadline was the reason.
 */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  options: Abortable & { deadlineMs: number; what: string },
): Promise<T> {
  options.signal.throwIfAborted();
  const inner = new AbortController();
  const forward = (): void => inner.abort(options.signal.reason);
  options.signal.addEventListener('abort', forward, { once: true });
  const timer = setTimeout(
    () => inner.abort(timeoutError(options.what, options.deadlineMs)),
    options.deadlineMs,
  );
  try {
    return await work(inner.signal);
  } catch (error) {
    if (inner.signal.aborted) throw inner.signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', forward);
  }
}

/**
 * Calls `listener` once when `signal` aborts, at once when it already has. Disposing removes the listener.
 */
export function onAbort(signal: AbortSignal, listener: () => void): Disposable {
  if (signal.aborted) {
    listener();
    return { [Symbol.dispose]: () => {} };
  }
  signal.addEventListener('abort', listener, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', listener) };
}

/**
 * A signal that aborts with the first of `signals`, for the same reason. Disposing removes the listeners and
 * does not abort.
 */
export function anySignal(...signals: readonly AbortSignal[]): Abortable & Disposable {
  const inner = new AbortController();
  const listeners = signals.map((signal) => onAbort(signal, () => inner.abort(signal.reason)));
  return {
    signal: inner.signal,
    [Symbol.dispose]: () => {
      for (const listener of listeners) listener[Symbol.dispose]();
    },
  };
}

/**
 * A signal that never aborts, for cleanup, which must not be cancelled together with the work that it cleans
 * up.
 */
export function neverAborts(): AbortSignal {
  return new AbortController().signal;
}

function timeoutError(what: string, deadlineMs: number): AppError {
  return new AppError('WAIT_TIMEOUT', `Timed out after ${formatTime(deadlineMs)} waiting for ${what}`, {
    details: { what, deadlineMs },
  });
}
