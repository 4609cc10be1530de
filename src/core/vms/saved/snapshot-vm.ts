import { AppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import { SNAPSHOT_TAG } from '../../../protocol/vm-limits.ts';
import type { StoredSnapshot } from '../../ports/snapshots.ts';
import { findRunningVm, findVm } from '../find-vm.ts';
import { requireFeature } from '../plan/choose-driver.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { planStart } from '../plan/make-plan.ts';
import type { Saving, VmHost, Vms } from '../world.ts';
import { captureVm } from './capture-vm.ts';
import { savedByOf } from './saved-by-of.ts';
import { syncFirst } from './sync-first.ts';

/**
 * Takes a snapshot of a running VM, memory and drives; the VM keeps running.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, SNAPSHOT_TAG_INVALID, SNAPSHOT_EXISTS, VMM_SAVE_FAILED,
 * HOST_NO_SPACE.
 */
export async function createSnapshot(
  world: PlanWorld & Vms & Pick<VmHost, 'files'> & Pick<Saving, 'snapshots' | 'release'>,
  ref: string,
  { tag = timeTag(new Date()), signal, report }: Task & { tag?: string | undefined },
): Promise<StoredSnapshot> {
  const { id } = findVm(world.records, ref);
  if (!SNAPSHOT_TAG.test(tag)) throw tagInvalid(tag);
  return await world.locks.run(
    id,
    async ({ signal: held }) => {
      const options = { signal: held, report };
      const record = findRunningVm(world.records, id);
      const plan = await planStart(world, record, options);
      const what = `make a snapshot of vm "${record.name}"`;
      requireFeature(world.drivers, plan.driver, { feature: 'capture', what });
      const agent = await syncFirst(world, record, options);
      const facts = {
        shape: record.shape,
        network: record.network,
        savedBy: savedByOf(world, record, agent),
      };
      const work = async (place: Parameters<typeof captureVm>[2]['place']) =>
        (await captureVm(world, record, { place, plan, ...options })).drives;
      return await world.snapshots.make(id, { tag, facts, work }, options);
    },
    { action: 'snapshot', report, signal },
  );
}

/** `20260131-235959`, in UTC. */
function timeTag(now: Date): string {
  return now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}

function tagInvalid(tag: string): AppError {
  return new AppError('SNAPSHOT_TAG_INVALID', `Cannot use ${JSON.stringify(tag.slice(0, 80))} as a tag`, {
    hint: "use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit",
    details: { field: 'tag', value: tag },
  });
}
