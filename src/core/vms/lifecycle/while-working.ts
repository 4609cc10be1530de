import { type Abortable, anySignal, sleep } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { formatTime } from '../../../base/text/words.ts';
import type { RunningVm, VmmActivity } from '../../ports/vmm/running-vm.ts';

/** How long a guest is waited for that is not ready yet, in `ms`. */
export interface WorkLimits {
  /** its VMM neither computes nor writes */
  idleMs: number;
  /** its VMM computes, and writes nothing */
  spinMs: number;
  /** whatever its VMM does */
  totalMs: number;
}

/** How long a guest that is to be ended is waited for. */
export interface SyncLimits {
  /** its agent has not answered yet: it is dead, or has no time */
  silent: WorkLimits;
  /** its agent has answered, and the guest writes out what it holds */
  syncing: WorkLimits;
  /** `ms` between two looks at its VMM */
  everyMs: number;
}

/** How {@link whileWorking} waits. */
export interface WorkWatch extends Abortable {
  /** asked at every look: they may change while the work gets on */
  limits: () => WorkLimits;
  /** called at every look with the `bytes` that the VMM has written since the wait began */
  onLook: (writtenBytes: number) => void;
  /** `ms` between two looks */
  everyMs: number;
  /** what is waited for, for the error */
  what: string;
}

/**
 * Share of a processor's time from which on a VMM counts as computing: an emulated guest that idles takes a
 * few percent.
 */
const COMPUTING_SHARE = 0.1;

/** `bytes` a second from which on it counts as writing: its log and its own signals are less. */
const WRITING_BYTES = 64 * 1024;

/**
 * Runs `work`, which waits for a guest, for as long as the guest's VMM works: a guest that writes to a slow
 * disk is waited for, one that hangs is not. `work` gets a signal that aborts at a limit, or when `signal`
 * does. Nothing is looked at until `everyMs` have passed.
 *
 * @throws {AppError} GUEST_HANGS at a limit; the abort reason; what `work` throws.
 */
export async function whileWorking<T>(
  running: RunningVm,
  work: (options: Abortable) => Promise<T>,
  { signal, limits, onLook, everyMs, what }: WorkWatch,
): Promise<T> {
  const stop = new AbortController();
  using inner = anySignal(signal, stop.signal);
  const over = new AbortController();
  const watching = watch();
  try {
    return await work({ signal: inner.signal });
  } catch (error) {
    inner.signal.throwIfAborted();
    throw error;
  } finally {
    over.abort();
    await watching;
  }

  async function watch(): Promise<void> {
    const begunAt = performance.now();
    let lookedAt = begunAt;
    let computedAt = begunAt;
    let wroteAt = begunAt;
    let before: VmmActivity | undefined;
    let first: VmmActivity | undefined;
    while (!stop.signal.aborted && (await goesOn(everyMs, over.signal))) {
      const activity = await running.activity();
      const now = performance.now();
      first ??= activity;
      if (before && isWriting(before, activity, now - lookedAt)) wroteAt = now;
      if (before && isComputing(before, activity, now - lookedAt)) computedAt = now;
      before = activity;
      lookedAt = now;
      onLook(activity.writtenBytes - first.writtenBytes);
      const { idleMs, spinMs, totalMs } = limits();
      if (now - begunAt > totalMs) stop.abort(hangs('it has taken too long', now - begunAt));
      else if (now - Math.max(computedAt, wroteAt) > idleMs) {
        stop.abort(hangs('its VMM does nothing', now - Math.max(computedAt, wroteAt)));
      } else if (now - wroteAt > spinMs) {
        stop.abort(hangs('its VMM computes and writes nothing', now - wroteAt));
      }
    }
  }

  function hangs(why: string, ms: number): AppError {
    return new AppError('GUEST_HANGS', `Cannot wait longer for ${what}: ${why} (${formatTime(ms)})`);
  }
}

/** False when the wait is over. */
async function goesOn(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, { signal });
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}

function isWriting(before: VmmActivity, after: VmmActivity, ms: number): boolean {
  return (after.writtenBytes - before.writtenBytes) * 1000 >= WRITING_BYTES * ms;
}

function isComputing(before: VmmActivity, after: VmmActivity, ms: number): boolean {
  return after.cpuMs - before.cpuMs >= COMPUTING_SHARE * ms;
}
