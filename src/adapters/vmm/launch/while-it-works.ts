import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { formatTime } from '../../../base/text/words.ts';

/** How long a program is waited for, in `ms`. */
export interface WorkLimits {
  /** without using a processor; then it hangs */
  idleMs: number;
  /** at most, however busy it is */
  totalMs: number;
  /** how often its use of the processor is looked at */
  everyMs: number;
}

/** A VMM answers after 30 ms and reads a saved guest in 20 ms; on an overloaded host, after a minute. */
const LIMITS: WorkLimits = { idleMs: 20_000, totalMs: 180_000, everyMs: 500 };

/**
 * Waits for `work`, which a program does, for as long as that program uses a processor: one that waits its
 * turn on a busy host is slow, and one that uses none hangs. `cpuMs` returns what it has used so far, and
 * `undefined` when it is gone.
 *
 * @throws {AppError} WAIT_TIMEOUT when a limit is reached; `work` is aborted then.
 */
export async function whileItWorks<T>(
  work: (signal: AbortSignal) => Promise<T>,
  options: Abortable & { cpuMs: () => Promise<number | undefined>; what: string; limits?: WorkLimits },
): Promise<T> {
  const { signal, what, cpuMs, limits = LIMITS } = options;
  const hung = new AbortController();
  const seen = { cpuMs: -1, at: performance.now() };
  const look = async (): Promise<void> => {
    const now = performance.now();
    const used = await cpuMs();
    if (used !== seen.cpuMs) Object.assign(seen, { cpuMs: used, at: now });
    else if (now - seen.at >= limits.idleMs) hung.abort(idleError(what, limits.idleMs));
  };
  const timer = setInterval(() => void look().catch((error: unknown) => hung.abort(error)), limits.everyMs);
  try {
    return await withDeadline((inner) => work(AbortSignal.any([inner, hung.signal])), {
      signal,
      what,
      deadlineMs: limits.totalMs,
    });
  } catch (error) {
    // What the work makes of an abort is not why.
    if (hung.signal.aborted && !signal.aborted) throw hung.signal.reason;
    throw error;
  } finally {
    clearInterval(timer);
  }
}

function idleError(what: string, idleMs: number): AppError {
  return new AppError(
    'WAIT_TIMEOUT',
    `Timed out waiting for ${what}: its process has used no processor for ${formatTime(idleMs)}`,
    { details: { what, idleMs } },
  );
}
