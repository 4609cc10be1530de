import { withDeadline } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { Vms } from '../world.ts';
import { type SyncOptions, syncGuest } from './sync-guest.ts';

/** `ms` for the guest to power off once it has written everything; then its VMM is killed. */
const POWER_OFF_GRACE_MS = 1_200;

/**
 * `ms` for the agent of a guest that powers off to answer, and also the time without a write after which that
 * guest counts as hung.
 */
const LAST_WORDS_MS = 400;

/**
 * Asks a synced guest to power off and waits a moment. A guest that takes longer syncs once more, because its
 * programs may have saved data when they ended, and is waited for as long as it writes. Never throws. Returns
 * why data is still unwritten, if any is.
 */
export async function powerOff(
  world: Pick<Vms, 'live' | 'log'>,
  record: VmRecord,
  { agent, ...options }: SyncOptions & { agent: GuestAgent },
): Promise<{ reason?: string }> {
  const { running, report, signal } = options;
  report({ event: 'progress', stage: 'power off' });
  try {
    await withDeadline(
      async (inner) => {
        await agent.powerOff({ signal: inner });
        await abortable(running.exited, inner);
      },
      { signal, deadlineMs: POWER_OFF_GRACE_MS, what: 'the guest to power off' },
    );
    return {};
  } catch (error) {
    world.log.info('a guest is killed before it has powered off', { vmId: record.id, error });
    // Everything from before the stop is written, and this guest will not power off.
    if (!isAppError(error, 'WAIT_TIMEOUT')) return {};
  }
  return await lastSync(world, record, options);
}

async function lastSync(
  world: Pick<Vms, 'live' | 'log'>,
  record: VmRecord,
  options: SyncOptions,
): Promise<{ reason?: string }> {
  const { limits } = options;
  const silent = { idleMs: LAST_WORDS_MS, spinMs: LAST_WORDS_MS, totalMs: limits.silent.totalMs };
  const everyMs = Math.min(limits.everyMs, LAST_WORDS_MS / 2);
  const sync = await syncGuest(world, record, { ...options, limits: { ...limits, silent, everyMs } });
  // The agent ends before the rest of the guest, as it should; the guest may pause its writes then.
  if (sync.isSynced || sync.hasEnded || !sync.hasAnswered) return {};
  return { reason: sync.reason };
}
