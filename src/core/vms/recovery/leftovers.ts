import type { Abortable } from '../../../base/abort.ts';
import type { VmDriver } from '../../ports/vmm/driver.ts';
import { purgeVm } from '../lifecycle/delete-vm.ts';
import type { UnrecordedVms, VmHost, Vms } from '../world.ts';

/** What finding leftovers works on. */
type LeftoverWorld = Pick<Vms, 'records' | 'live'> &
  Pick<VmHost, 'driver' | 'files'> &
  Pick<UnrecordedVms, 'unlisted'>;

/** Something of a VM that nobody owns any more. */
export interface Leftover {
  vmId: string;
  kind: 'folder' | 'process';
  /** for people */
  what: string;
}

/** The folders whose VMMs are ours. */
type RunningIn = Parameters<VmDriver['listRunning']>[0];

/** What ids look like (`create-vm.ts`): anything else in our folders is not provably ours. */
const VM_ID = /^[0-9a-f]{12}$/;

/** Folders without a record, and VMMs whose VM is not known or does not run. Changes nothing. */
export async function findLeftovers(world: LeftoverWorld, runningIn: RunningIn): Promise<Leftover[]> {
  const [folders, running] = await Promise.all([world.files.list(), world.driver.listRunning(runningIn)]);
  return [
    ...running
      .filter((vmId) => VM_ID.test(vmId) && isStray(world, vmId))
      .map((vmId): Leftover => ({ vmId, kind: 'process', what: `VMM of ${vmId}` })),
    ...folders
      .filter((vmId) => VM_ID.test(vmId) && !isOwned(world, vmId))
      .map((vmId): Leftover => ({ vmId, kind: 'folder', what: world.files.folders(vmId).dir })),
  ];
}

/**
 * Ends those VMMs and removes those folders, and gives what it removed. Each is looked at again under its
 * VM's lock, so that nothing of a VM that is being made or started is touched. Idempotent.
 *
 * @throws {AppError} VMM_KILL_FAILED.
 */
export async function removeLeftovers(
  world: LeftoverWorld & Pick<Vms, 'locks'>,
  { signal, ...runningIn }: Abortable & RunningIn,
): Promise<Leftover[]> {
  const removed: Leftover[] = [];
  for (const leftover of await findLeftovers(world, runningIn)) {
    const { vmId, kind } = leftover;
    await world.locks.run(
      vmId,
      async () => {
        if (kind === 'folder' ? isOwned(world, vmId) : !isStray(world, vmId)) return;
        if (kind === 'folder') await purgeVm(world, vmId);
        else await world.driver.killStray({ vmId, ...world.files.folders(vmId) });
        removed.push(leftover);
      },
      { action: 'delete', isInterruptible: false, signal },
    );
  }
  return removed;
}

/** A VM has a record, one that cannot be read among them, or is a pool VM of this daemon. */
export function isOwned(
  world: Pick<Vms, 'records'> & Pick<UnrecordedVms, 'unlisted'>,
  vmId: string,
): boolean {
  return world.records.get(vmId) !== undefined || world.unlisted.has(vmId) || isDamaged(world, vmId);
}

/** A VM's VMM may run while it is held, and while an operation starts or stops it. */
function isStray(
  world: Pick<Vms, 'records' | 'live'> & Pick<UnrecordedVms, 'unlisted'>,
  vmId: string,
): boolean {
  const state = world.records.get(vmId)?.state;
  const mayRun = state !== undefined && !['created', 'stopped', 'error'].includes(state);
  return (
    !mayRun && world.live.get(vmId) === undefined && !world.unlisted.has(vmId) && !isDamaged(world, vmId)
  );
}

/** Nobody knows what a VM whose record cannot be read has or does: all of it is left to it. */
function isDamaged(world: Pick<Vms, 'records'>, vmId: string): boolean {
  return world.records.damaged().some(({ id }) => id === vmId);
}
