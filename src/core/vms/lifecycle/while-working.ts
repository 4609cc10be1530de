import { type Abortable, anySignal, sleep } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { formatTime } from '../../../base/text/words.ts';
import type { RunningVm, VmmActivity } from '../../ports/vmm/running-vm.ts';

/** How long to wait for a guest, in `ms`, depending on what its VMM does. */
export interface WorkLimits {
  /** its VMM neither computes nor writes */
  idleMs: number;
  /** its VMM computes, and writes nothing */
  spinMs: number;
  /** in total, whatever its VMM does */
  totalMs: number;
}

/** How long to wait for a guest before it is ended. */
export interface SyncLimits {
  /** its agent has not answered yet: it is dead or busy */
  silent: WorkLimits;
  /** its agent has answered, and the guest syncs */
  syncing: WorkLimits;
  /** `ms` between two checks of its VMM */
  everyMs: number;
}

/** How {@link whileWorking} waits. */
export interface WorkWatch extends Abortable {
  /** called at every check: the limits may change during the work */
  limits: () => WorkLimits;
  /** called at every check with the `bytes` that the VMM has written since the wait began */
  onLook: (writtenBytes: number) => void;
  /** `ms` between two checks */
  everyMs: number;
  /** what the wait is for, in the error */
  what: string;
}

/** Least share of a processor's time that counts as computing; an idle emulated guest takes a few percent. */
const COMPUTING_SHARE = 0.1;

/** Least `bytes` a second that count as writing; the VMM's log and its own signals are less. */
const WRITING_BYTES = 64 * 1024;

/**
 * Runs `work`, which waits for a guest, as long as the guest's VMM works: this waits for a guest that writes
 * to a slow disk, but not for one that hangs. `work` gets a signal that aborts at a limit, or when `signal`
 * does. The first check comes after `everyMs`.
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
        stop.abort(hangs('its VMM is idle', now - Math.max(computedAt, wroteAt)));
      } else if (now - wroteAt > spinMs) {
        stop.abort(hangs('its VMM is busy but writes nothing', now - wroteAt));
      }
    }
  }

  function hangs(why: string, ms: number): AppError {
    return new AppError('GUEST_HANGS', `Cannot wait longer for ${what}: ${why} (${formatTime(ms)})`);
  }
}

/** Sleeps; returns false when the wait is over. */
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
