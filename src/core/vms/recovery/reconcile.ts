import { type Abortable, anySignal } from '../../../base/abort.ts';
import type { Report } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { BootWorld } from '../lifecycle/boot-vm.ts';
import { purgeVm } from '../lifecycle/delete-vm.ts';
import { settleWorkDisk } from '../lifecycle/set-vm.ts';
import { stopGuest } from '../lifecycle/stop-vm.ts';
import { vmmDied } from '../lifecycle/vmm-died.ts';
import { watchExit } from '../lifecycle/watch-exit.ts';
import { networkOf } from '../network/network-of.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { finishResume } from '../saved/finish-resume.ts';
import { endSecondVmm } from '../saved/second-vmm.ts';
import { resumeSync } from '../saved/sync-suspended.ts';
import { killStrays } from '../vm-drivers.ts';
import type { GuestWaits, Saving, VmHost, Vms } from '../world.ts';
import { adoptVmm } from './adopt-vmm.ts';

/** What taking over a VM works on. */
export type ReconcileWorld = BootWorld &
  PlanWorld &
  Pick<GuestWaits, 'syncLimits'> &
  Pick<Saving, 'snapshots' | 'background'>;

/** How a VM is taken over. */
export interface ReconcileOptions extends Abortable {
  /** aborts when the VM is killed or deleted; its VMM is then ended without a wait */
  interrupted: AbortSignal;
  /** called before a wait that may take long */
  onWait: () => void;
}

/**
 * Takes over one VM from an earlier daemon: adopts it when it runs, finishes or undoes what was half done.
 * Waits for a VMM that does not answer as long as its process lives. Idempotent. The caller holds the VM's
 * lock.
 */
export async function reconcileVm(
  world: ReconcileWorld,
  record: VmRecord,
  options: ReconcileOptions,
): Promise<void> {
  // The client of an ephemeral VM was connected to the daemon that ended, and its command ended with that.
  if (record.state === 'creating' || record.state === 'deleting' || record.ephemeral) {
    world.log.info('a VM without an owner is removed', {
      vmId: record.id,
      vm: record.name,
      state: record.state,
    });
    return await purgeVm(world, record.id);
  }
  if (record.hasSecondVmm) return await reconcileVm(world, await endSecondVmm(world, record), options);
  await world.files.sweepCaptures(record.id);
  await world.snapshots.sweep(record.id);
  await world.files.sweepDrives(
    record.id,
    (record.drives ?? []).map(({ pathOnHost }) => pathOnHost),
  );
  // After an interrupted resume the running guest may be all there is: its saved files are outdated.
  if (record.state === 'starting' && (await finishResume(world, record, options))) return;
  // In any other state the saved guest was resumed or given up, or may not be whole.
  const isSaved = record.state === 'suspended' || record.state === 'resuming';
  if (!isSaved) await world.files.removeSuspended(record.id);
  const endVmm = async (): Promise<void> => {
    const { interrupted, onWait } = options;
    const mayRun = ['running', 'suspending', 'stopping'].includes(record.state);
    if (mayRun) onWait();
    await killStrays(
      world,
      { vmId: record.id, ...world.files.folders(record.id) },
      { isGuestKept: mayRun && !interrupted.aborted, givenUp: interrupted },
    );
  };
  // The build that it ran for ended with the daemon.
  const state = record.state === 'running' && record.purpose === 'builder' ? 'stopping' : record.state;
  switch (state) {
    case 'running':
      if (await adopt(world, record, options)) return;
      await endVmm();
      world.records.update({ ...record, state: 'stopped', ...(await lostBetween(world, record, options)) });
      return;
    case 'stopping':
      // Its guest may have unwritten data.
      if (await adopt(world, record, options)) return await finishStop(world, record, options);
      break;
    case 'suspending':
      // The guest keeps running.
      if (await adopt(world, record, options)) {
        world.records.update({ ...record, state: 'running' });
        return;
      }
      break;
    case 'suspended':
      await endVmm();
      return await resumeSync(world, record);
    case 'resuming':
      // The guest has not run yet.
      await endVmm();
      return await resumeSync(world, world.records.update({ ...record, state: 'suspended' }));
    case 'starting':
      break;
    default:
      await settleWorkDisk(world, record);
      return;
  }
  await endVmm();
  world.records.update({ ...record, state: 'stopped' });
}

/** Adopts the VMM on record; waits for one that does not answer until the VM is killed or deleted. */
async function adopt(
  world: Vms & Pick<VmHost, 'drivers' | 'files'>,
  record: VmRecord,
  options: ReconcileOptions,
): Promise<boolean> {
  const running = await adoptVmm(world, record, options);
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
  await settleNetwork(world, record, running, options);
  world.log.info('a running VM is adopted', { vmId: record.id, vm: record.name, pid: vmm.pid });
  return true;
}

/**
 * Connects the guest as the record says. Its network has outlived the earlier daemon, unless it died since,
 * was cut off while the guest was being saved, or is that of an earlier version.
 */
async function settleNetwork(
  { log }: Pick<Vms, 'log'>,
  record: VmRecord,
  running: RunningVm,
  { signal }: Abortable,
): Promise<void> {
  try {
    await running.setNetwork(networkOf(record), { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    log.error('a running VM has no network', { vmId: record.id, vm: record.name, error });
  }
}

/** Finishes the stop that an earlier daemon began: syncs the guest and ends it. */
async function finishStop(
  world: Pick<Vms, 'records' | 'live' | 'log'> & Pick<GuestWaits, 'syncLimits'>,
  record: VmRecord,
  { signal, interrupted, onWait }: ReconcileOptions,
): Promise<void> {
  const running = world.live.get(record.id);
  if (!running) return;
  onWait();
  using either = anySignal(signal, interrupted);
  const report: Report = (event) => {
    if (event.event !== 'notice') return;
    world.log.warn('a stop of an earlier daemon', { vmId: record.id, notice: event.message });
  };
  await stopGuest(world, record, { running, report, signal: either.signal, isLeftBy: signal });
}

/**
 * Explains that the VMM of a running VM exited while no daemon ran; not when the VM is killed or deleted now.
 */
async function lostBetween(
  world: Pick<VmHost, 'files'>,
  record: VmRecord,
  { interrupted }: ReconcileOptions,
): Promise<Pick<VmRecord, 'lastError'>> {
  if (interrupted.aborted) return {};
  const what =
    'its VMM was no longer running when the daemon started: its guest powered off, the VMM died, or this host was restarted';
  return { lastError: await vmmDied(world, record, what) };
}
