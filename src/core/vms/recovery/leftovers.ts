import type { Abortable } from '../../../base/abort.ts';
import type { VmDriver } from '../../ports/vmm/driver.ts';
import { purgeVm } from '../lifecycle/delete-vm.ts';
import { killStrays, listRunning } from '../vm-drivers.ts';
import type { UnrecordedVms, VmHost, Vms } from '../world.ts';

/** What finding leftovers works on. */
type LeftoverWorld = Pick<Vms, 'records' | 'live'> &
  Pick<VmHost, 'drivers' | 'files'> &
  Pick<UnrecordedVms, 'unrecorded'>;

/** A folder or process of a VM that no longer exists. */
export interface Leftover {
  vmId: string;
  kind: 'folder' | 'process';
  /** for people */
  what: string;
}

/** The folders whose VMMs are ours. */
type RunningIn = Parameters<VmDriver['listRunning']>[0];

/** What ids look like (`create-vm.ts`); anything else in these folders may belong to others. */
const VM_ID = /^[0-9a-f]{12}$/;

/** Finds folders without a record, and VMMs whose VM is unknown or stopped. Changes nothing. */
export async function findLeftovers(world: LeftoverWorld, runningIn: RunningIn): Promise<Leftover[]> {
  const [folders, running] = await Promise.all([world.files.list(), listRunning(world, runningIn)]);
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
 * Ends those VMMs, removes those folders, and returns what it removed. Checks each again under its VM's lock,
 * so that it touches nothing of a VM that is being made or started. Idempotent.
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
        else await killStrays(world, { vmId, ...world.files.folders(vmId) });
        removed.push(leftover);
      },
      { action: 'delete', isInterruptible: false, signal },
    );
  }
  return removed;
}

/** Whether a VM has a record, readable or damaged, or was made by this daemon for itself. */
export function isOwned(
  world: Pick<Vms, 'records'> & Pick<UnrecordedVms, 'unrecorded'>,
  vmId: string,
): boolean {
  return world.records.get(vmId) !== undefined || world.unrecorded.has(vmId) || isDamaged(world, vmId);
}

/**
 * Whether a VMM has no reason to run: the daemon does not hold it, and no operation starts or stops its VM.
 */
function isStray(
  world: Pick<Vms, 'records' | 'live'> & Pick<UnrecordedVms, 'unrecorded'>,
  vmId: string,
): boolean {
  const state = world.records.get(vmId)?.state;
  const mayRun = state !== undefined && !['created', 'stopped', 'error'].includes(state);
  return (
    !mayRun && world.live.get(vmId) === undefined && !world.unrecorded.has(vmId) && !isDamaged(world, vmId)
  );
}

/** With a damaged record it is unknown what the VM has, so all of it stays. */
function isDamaged(world: Pick<Vms, 'records'>, vmId: string): boolean {
  return world.records.damaged().some(({ id }) => id === vmId);
}
