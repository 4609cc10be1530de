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
import type { PlanWorld } from '../lifecycle/make-plan.ts';
import { planStart } from '../lifecycle/make-plan.ts';
import type { VmPlan } from '../lifecycle/vm-plan.ts';
import { vmSpecOf } from '../lifecycle/vm-spec.ts';
import { requireRoom, requireRoomToStart } from '../require-room.ts';
import { whileRunning } from '../while-running.ts';
import type { Saving, VmHost, Vms } from '../world.ts';
import { attachCommands } from './attach-commands.ts';
import { savedByOf } from './saved-by-of.ts';
import { beginSync } from './sync-suspended.ts';

/**
 * Suspends a running VM: memory and devices go to disk, and no process of it is left. Its commands go on when
 * it is resumed; a client that is attached to one loses it. One that is suspended is left as it is, and so is
 * one that is not to be suspended any more when it has its turn (`isWanted`). After a failure or an abort it
 * runs. What is saved outlives every process at once, and the host's power when it is on the disk, which goes
 * on in the background (`sync-suspended.ts`).
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, VMM_SAVE_FAILED, VMM_LOST, HOST_NO_SPACE.
 */
export async function suspendVm(
  world: PlanWorld & Vms & Pick<VmHost, 'files'> & Pick<Saving, 'background' | 'release'>,
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
            what: `suspend vm "${record.name}"`,
          },
        );
      } catch (error) {
        // A link that is still there is for commands as before.
        await attachCommands(world, id);
        // First what may fill the disk, which a record needs a little of too.
        await world.files.removeSuspended(id);
        world.records.update(record);
        throw error;
      }
      // On record before the VMM ends: a daemon that finds both ends it.
      const unsyncedIn = await world.files.hostBoot();
      const suspended = world.records.update({ ...suspending, state: 'suspended', unsyncedIn, savedBy });
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
 * Resumes a suspended VM where it was; the caller holds its lock. What was saved is good for one resume, for
 * its drives change from then on: after a failure before that it is suspended as before, after a later one it
 * has the drives of a VM whose power was cut. A guest that does not fit this host is refused first.
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
      hint: `its memory is kept until you give it up: banger vm start --cold ${name} boots it with its disks`,
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
 * What the guest holds is on its drives before, should it never be resumed; its commands outlive the link
 * that they run over. A guest that does not answer is suspended all the same. Returns which agent it has,
 * when it says.
 */
async function prepareGuest(
  world: Pick<Vms, 'live'>,
  record: VmRecord,
  { signal, report }: Task,
): Promise<SavedBy['agent']> {
  try {
    return await withAgent(world, record.id, {
      signal,
      work: async (agent, options) => {
        report({ event: 'progress', stage: 'sync' });
        const [{ generation, version }] = await Promise.all([agent.health(options), agent.sync(options)]);
        await agent.detachCommands(true, options);
        return { generation, version };
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    report({
      event: 'notice',
      message: `vm "${record.name}" does not answer, and is suspended as it is: ${messageOf(error)}`,
    });
    return undefined;
  }
}
