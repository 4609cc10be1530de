import type { Abortable } from '../../../base/abort.ts';
import type { VmRecord } from '../../ports/records.ts';
import { purgeVm } from '../lifecycle/delete-vm.ts';
import { settleWorkDisk } from '../lifecycle/set-vm.ts';
import { watchExit } from '../lifecycle/watch-exit.ts';
import { finishResume } from '../saved/finish-resume.ts';
import { resumeSync } from '../saved/sync-suspended.ts';
import type { VmWorld } from '../world.ts';

/**
 * Makes records and reality agree when a daemon starts, before it takes requests: adopts VMs that run, finishes or undoes what an earlier daemon
 * left half done, removes what has no record. Idempotent. Touches only folders under our own and processes proven to be meant. What cannot be put right
 * is logged and left for the next start.
 */
export async function reconcile(world: VmWorld, { signal }: Abortable): Promise<void> {
  const attempt = async (vmId: string, work: () => Promise<void>): Promise<void> => {
    signal.throwIfAborted();
    try {
      await world.locks.run(vmId, work, { action: 'adopt', waitMs: Number.POSITIVE_INFINITY, signal });
    } catch (error) {
      world.log.error('a VM could not be reconciled', { vmId, error });
    }
  };
  for (const record of world.records.list()) {
    await attempt(record.id, () => reconcileVm(world, record, { signal }));
  }
  const damaged = world.records.damaged();
  // All that such a VM has stays, a VMM that runs among it.
  for (const { id, name, problem } of damaged) {
    world.log.error('the record of a VM is damaged', { vmId: id, vm: name, problem });
  }
  const known = new Set([...world.records.list(), ...damaged].map(({ id }) => id));
  for (const vmId of await world.files.list()) {
    if (known.has(vmId)) continue;
    world.log.info('a folder without a record is removed', { vmId });
    await attempt(vmId, () => purgeVm(world, vmId));
  }
  // Not before: a VM of nobody that was to become a template writes there.
  await world.templates.sweep();
  await world.driver.sweep();
}

async function reconcileVm(world: VmWorld, record: VmRecord, { signal }: Abortable): Promise<void> {
  // The client of an ephemeral VM held a connection to the daemon that is gone, and its command ended with that.
  if (record.state === 'creating' || record.state === 'deleting' || record.ephemeral) {
    world.log.info('a VM that nobody owns is removed', {
      vmId: record.id,
      vm: record.name,
      state: record.state,
    });
    return await purgeVm(world, record.id);
  }
  await world.files.sweepCaptures(record.id);
  await world.snapshots.sweep(record.id);
  await world.files.sweepDrives(
    record.id,
    (record.drives ?? []).map(({ pathOnHost }) => pathOnHost),
  );
  // Of a resume it may be all that is left: what was saved is of no use any more.
  if (record.state === 'starting' && (await finishResume(world, record, { signal }))) return;
  // In any other state it was taken up or given up, or is not whole for sure.
  const isSaved = record.state === 'suspended' || record.state === 'resuming';
  if (!isSaved) await world.files.removeSuspended(record.id);
  const endVmm = (): Promise<void> =>
    world.driver.killStray(
      { vmId: record.id, ...world.files.folders(record.id) },
      {
        isGuestKept:
          record.state === 'running' || record.state === 'suspending' || record.state === 'stopping',
      },
    );
  switch (record.state) {
    case 'running':
      if (await adopt(world, record, { signal })) return;
      break;
    case 'suspending':
      // The guest itself goes on.
      if (await adopt(world, record, { signal })) {
        // It was cut off for the time of being saved.
        if (record.nat) await world.live.get(record.id)?.setNat(true, { signal });
        world.records.update({ ...record, state: 'running' });
        return;
      }
      break;
    case 'suspended':
      await endVmm();
      return await resumeSync(world, record);
    case 'resuming':
      // It has not run yet.
      await endVmm();
      return await resumeSync(world, world.records.update({ ...record, state: 'suspended' }));
    case 'starting':
    case 'stopping':
      break;
    default:
      await settleWorkDisk(world, record);
      return;
  }
  await endVmm();
  world.records.update({ ...record, state: 'stopped' });
}

async function adopt(world: VmWorld, record: VmRecord, { signal }: Abortable): Promise<boolean> {
  const { runtimeDir, consoleLogPath } = world.files.folders(record.id);
  const running = await world.driver.adopt({ vmId: record.id, runtimeDir, consoleLogPath }, { signal });
  if (!running) return false;
  const { vmm } = running;
  const recorded = record.runtime?.vmm;
  if (recorded?.pid !== vmm.pid || recorded.startTicks !== vmm.startTicks) {
    world.log.warn('a VMM is not the one on record', { vmId: record.id, vmm, recorded });
    running.detach();
    return false;
  }
  world.live.add(record.id, running);
  watchExit(world, record.id, running);
  world.live.mayHavePaused(record.id);
  world.log.info('a running VM is adopted', { vmId: record.id, vm: record.name, pid: vmm.pid });
  return true;
}
