import { neverAborts } from '../../../base/abort.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { findVm } from '../find-vm.ts';
import { dropSuspended } from '../saved/drop-suspended.ts';
import type { GuestWaits, VmHost, Vms } from '../world.ts';
import { powerOff } from './power-off.ts';
import { syncGuest, unsyncedNotice } from './sync-guest.ts';

/** A VM that was stopped or killed. */
export interface EndedVm {
  record: VmRecord;
  /** whether the guest wrote its data first, and if not, why; absent when the VM did not run */
  ending?: { synced: boolean; reason?: string };
}

/** How a VM is stopped. */
export interface StopOptions {
  report: Report;
  /** called once the lock is held; when it returns false the VM is left alone */
  isWanted?: () => boolean;
}

/**
 * Stops a VM: the guest syncs and powers off, which tells its programs to end; a guest that does not power
 * off in time is killed. A guest without user programs is killed right after its sync, because waiting for
 * its init would save nothing. A VM that does not run is left alone; a suspended one loses its memory and
 * becomes stopped. A healthy guest stops within 2 s, one that writes to a slow disk is waited for as long as
 * it writes, and one that hangs is killed in the end. Only a kill or a delete of the VM ends the wait, and
 * the guest with it, because a half-stopped VM is useless.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_BUSY, VMM_KILL_FAILED.
 */
export async function stopVm(
  world: Vms & Pick<VmHost, 'files'> & Pick<GuestWaits, 'syncLimits'>,
  ref: string,
  { report, isWanted = () => true }: StopOptions,
): Promise<EndedVm> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async ({ signal }) => {
      const record = findVm(world.records, id);
      const running = world.live.get(id);
      if (!isWanted()) return { record };
      // The guest was synced before it was suspended.
      if (record.state === 'suspended') return { record: await dropSuspended(world, record) };
      if (record.state !== 'running' || !running) return { record };
      return await stopGuest(world, record, { running, report, signal });
    },
    { action: 'stop', report, signal: neverAborts() },
  );
}

/**
 * Stops a running VM; the caller holds its lock. An abort of `signal` ends the wait and kills the guest. An
 * abort of `isLeftBy` leaves the VM `stopping`, for the next daemon.
 */
export async function stopGuest(
  world: Pick<Vms, 'records' | 'live' | 'log'> & Pick<GuestWaits, 'syncLimits'>,
  record: VmRecord,
  { running, report, signal, isLeftBy }: Task & { running: RunningVm; isLeftBy?: AbortSignal },
): Promise<EndedVm> {
  const stopping = world.records.update({ ...record, state: 'stopping' });
  const options = { running, limits: world.syncLimits.stop, report, signal };
  report({ event: 'progress', stage: 'sync' });
  const sync = await syncGuest(world, stopping, options);
  let unsynced = sync.isSynced ? undefined : sync.reason;
  if (sync.isSynced && !sync.isIdle) {
    unsynced = (await powerOff(world, stopping, { ...options, agent: sync.agent })).reason;
  }
  isLeftBy?.throwIfAborted();
  return await endGuest(world, stopping, { running, report, unsynced });
}

/** Ends the VMM of a VM that is `stopping`; reports a notice when its guest has not written its data. */
export async function endGuest(
  world: Pick<Vms, 'records' | 'live'>,
  stopping: VmRecord,
  {
    running,
    report,
    unsynced,
    beforeKill = async () => {},
  }: { running: RunningVm; report: Report; unsynced: string | undefined; beforeKill?: () => Promise<void> },
): Promise<EndedVm> {
  if (unsynced !== undefined) report({ event: 'notice', message: unsyncedNotice(stopping.name, unsynced) });
  report({ event: 'progress', stage: 'kill' });
  await beforeKill();
  await running.kill();
  await world.live.remove(stopping.id);
  const record = world.records.update({ ...stopping, state: 'stopped' });
  return { record, ending: unsynced === undefined ? { synced: true } : { synced: false, reason: unsynced } };
}
