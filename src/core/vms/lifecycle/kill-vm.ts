import { neverAborts, poll, withDeadline } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
import { isAppError } from '../../../base/errors.ts';
import type { Report } from '../../../protocol/events.ts';
import type { VmmSignal } from '../../../protocol/vmm-signal.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm.ts';
import { findVm } from '../find-vm.ts';
import { dropSuspended } from '../saved/drop-suspended.ts';
import type { VmWorld } from '../world.ts';
import { syncGuest, unsyncedNotice } from './sync-guest.ts';

/** `ms` for the VMM to end by the user's signal; then it is ended as always. */
const SIGNAL_GRACE_MS = 1_000;

/** `ms` for a start that is under way to have a VMM, and how often that is looked at; then it has failed, or its lock is waited for. */
const LOOK_FOR_MS = 30_000;
const LOOK_EVERY_MS = 20;

/**
 * Ends a VM without asking its guest to power off, after a sync when its agent answers. `vmmSignal` is what the VMM is sent first; it
 * is gone afterwards whatever it makes of that. A start or a stop that is under way is ended too, without a sync. A suspended one gives up what it
 * had in memory; any other that does not run is left as it is. Not cancellable once begun.
 *
 * @throws {AppError} VM_NOT_FOUND, VMM_KILL_FAILED.
 */
export async function killVm(
  world: VmWorld,
  ref: string,
  { vmmSignal, report }: { vmmSignal?: VmmSignal | undefined; report: Report },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  const hasInterrupted = await interruptHolder(world, id, report);
  return await world.locks.run(
    id,
    async () => {
      const record = findVm(world.records, id);
      const running = world.live.get(id);
      if (record.state === 'suspended') return await dropSuspended(world, record);
      if (!running) {
        return hasInterrupted && record.state === 'error'
          ? world.records.update({ ...record, state: 'stopped' })
          : record;
      }
      const stopping = world.records.update({ ...record, state: 'stopping' });
      report({ event: 'progress', stage: 'sync' });
      const sync = await syncGuest(world, stopping, running);
      if (!sync.isSynced) report({ event: 'notice', message: unsyncedNotice(record.name, sync.reason) });
      report({ event: 'progress', stage: 'kill' });
      if (vmmSignal) await sendSignal(running, vmmSignal);
      await running.kill();
      await world.live.remove(id);
      return world.records.update({ ...stopping, state: 'stopped' });
    },
    { signal: neverAborts() },
  );
}

/**
 * Whoever starts or stops a VM has its lock, and goes on when its VMM is gone, which for a start may not be there yet. True when there was one to
 * interrupt.
 */
async function interruptHolder(world: VmWorld, vmId: string, report: Report): Promise<boolean> {
  const attempt = async (): Promise<boolean | undefined> => {
    const record = world.records.get(vmId);
    if (record?.state !== 'starting' && record?.state !== 'stopping') return false;
    const running = world.live.get(vmId);
    if (!running) return undefined;
    report({ event: 'notice', message: unsyncedNotice(record.name, `it was ${record.state}`) });
    await running.kill();
    return true;
  };
  const what = 'a VMM to kill';
  const options = { everyMs: LOOK_EVERY_MS, deadlineMs: LOOK_FOR_MS, what, signal: neverAborts() };
  try {
    return await poll(attempt, options);
  } catch (error) {
    if (isAppError(error, 'WAIT_TIMEOUT')) return false;
    throw error;
  }
}

async function sendSignal(running: RunningVm, vmmSignal: VmmSignal): Promise<void> {
  await running.signal(vmmSignal);
  const options = { signal: neverAborts(), deadlineMs: SIGNAL_GRACE_MS, what: 'the VMM to end' };
  try {
    await withDeadline((signal) => abortable(running.exited, signal), options);
  } catch (error) {
    if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
  }
}
