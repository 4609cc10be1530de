import { messageOf } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { SavedBy } from '../../ports/saved-by.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { requireFit } from '../../rules/saved-by.ts';
import { findRunningVm, findVm } from '../find-vm.ts';
import { withAgent } from '../guest/with-agent.ts';
import type { BootWorld } from '../lifecycle/boot-vm.ts';
import { bootVm } from '../lifecycle/boot-vm.ts';
import { requireFeature } from '../plan/choose-driver.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { planStart } from '../plan/make-plan.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import { vmSpecOf } from '../plan/vm-spec.ts';
import { requireRoom, requireRoomToStart } from '../require-room.ts';
import { whileRunning } from '../while-running.ts';
import type { Saving, VmHost, VmNetwork, Vms } from '../world.ts';
import { attachCommands } from './attach-commands.ts';
import { trimRequestOf } from './give-back.ts';
import { savedByOf } from './saved-by-of.ts';
import { beginSync } from './sync-suspended.ts';

/**
 * Suspends a running VM: memory and devices are saved to disk, and no process of it is left. Its commands
 * continue when it is resumed; clients attached to them are disconnected. A suspended VM is left alone, and
 * so is one for which `isWanted` returns false once its lock is held. After a failure or an abort the VM
 * runs. The saved files survive a crash of any process at once, and a power failure of the host after a sync
 * in the background (`sync-suspended.ts`).
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, VMM_LACKS, VMM_SAVE_FAILED, VMM_LOST, HOST_NO_SPACE.
 */
export async function suspendVm(
  world: PlanWorld &
    Vms &
    Pick<VmHost, 'files'> &
    Pick<Saving, 'background' | 'release'> &
    Pick<VmNetwork, 'listening'>,
  ref: string,
  { signal, report, isWanted = () => true }: Task & { isWanted?: () => boolean },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async ({ signal: held }) => {
      if (!isWanted() || findVm(world.records, id).state === 'suspended') return findVm(world.records, id);
      const record = findRunningVm(world.records, id);
      const running = world.live.get(id);
      if (!running) return record;
      const plan = await planStart(world, record, { signal: held });
      const what = `suspend vm "${record.name}"`;
      requireFeature(world.drivers, plan.driver, { feature: 'save', what });
      await requireRoom(world, record, { running, what: 'a suspended guest' });
      const suspending = world.records.update({ ...record, state: 'suspending' });
      let savedBy: SavedBy;
      try {
        await world.files.createSuspended(id);
        savedBy = await whileRunning(
          running,
          (inner) => saveGuest(world, record, { ...inner, running, plan, report }),
          {
            signal: held,
            what,
          },
        );
      } catch (error) {
        // If the link still exists, its commands end with it again.
        await attachCommands(world, id);
        // Removed first, because the record needs a little disk space too.
        await world.files.removeSuspended(id);
        world.records.update(record);
        throw error;
      }
      // On record before the VMM ends, so that the next daemon ends it after a crash.
      const unsyncedIn = await world.files.hostBoot();
      const suspended = world.records.update({
        ...suspending,
        state: 'suspended',
        unsyncedIn,
        savedBy,
        listeningPorts: [...(world.listening.get(id) ?? [])],
      });
      await world.live.remove(id);
      await running.kill();
      beginSync(world, suspended);
      return suspended;
    },
    { action: 'suspend', report, signal },
  );
}

async function saveGuest(
  world: Pick<Vms, 'live'> & Pick<VmHost, 'files'> & Pick<Saving, 'release'>,
  record: VmRecord,
  { running, plan, signal, report }: Task & { running: RunningVm; plan: VmPlan },
): Promise<SavedBy> {
  const agent = await prepareGuest(world, record, { signal, report });
  await world.live.disconnect(record.id);
  report({ event: 'progress', stage: 'save' });
  const spec = vmSpecOf(world, record, { boot: plan.boot, accelerator: record.runtime?.accelerator });
  await running.save({ spec, to: world.files.folders(record.id).suspended }, { signal });
  return savedByOf(world, record, agent);
}

/**
 * Resumes a suspended VM; the caller holds its lock. The saved guest can be resumed once, because its drives
 * change as soon as it runs: after a failure before that the VM is still suspended; after a later one it is
 * stopped, with drives as after a power cut. A guest that does not fit this host is refused first.
 *
 * @throws {AppError} SAVED_GUEST_DIFFERS, VMM_RESTORE_FAILED, HOST_NO_SPACE; as {@link bootVm}.
 */
export async function resumeVm(
  world: BootWorld,
  record: VmRecord,
  { plan, report, signal }: Task & { plan: VmPlan },
): Promise<VmRecord> {
  const { boot, probe } = plan;
  const { name } = record;
  requireFit(
    record.savedBy,
    { probe },
    {
      what: `resume vm "${name}"`,
      hint: `its memory is kept; to discard it and boot from its disks: banger vm start --cold ${name}`,
    },
  );
  await requireRoomToStart(world);
  world.records.update({ ...record, state: 'resuming' });
  const starting: VmRecord = { ...record, state: 'starting' };
  let hasRun = false;
  try {
    const resumed = await bootVm(world, starting, {
      boot,
      probe,
      report,
      signal,
      from: world.files.folders(record.id).suspended,
      beforeRun: () => {
        hasRun = true;
        world.records.update(starting);
      },
    });
    await world.files.removeSuspended(record.id);
    return resumed;
  } catch (error) {
    if (!hasRun) world.records.update(record);
    else {
      world.records.update({ ...record, state: 'stopped' });
      await world.files.removeSuspended(record.id);
    }
    throw error;
  }
}

/**
 * Syncs the guest, in case it is never resumed, and makes its commands outlive their link. A guest that does
 * not answer is suspended anyway. Returns the guest's agent, when it answers.
 */
async function prepareGuest(
  world: Pick<Vms, 'live'> & Pick<VmHost, 'files'>,
  record: VmRecord,
  { signal, report }: Task,
): Promise<SavedBy['agent']> {
  const trim = await trimRequestOf(world, record);
  try {
    return await withAgent(world, record.id, {
      signal,
      work: async (agent, options) => {
        report({ event: 'progress', stage: 'sync' });
        const [{ generation, version }] = await Promise.all([
          agent.health(options),
          agent.sync({ ...options, trim }),
        ]);
        await agent.detachCommands(true, options);
        return { generation, version };
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    report({
      event: 'notice',
      message: `vm "${record.name}" does not answer, and is suspended without a sync: ${messageOf(error)}`,
    });
    return undefined;
  }
}
