import { neverAborts } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { Report } from '../../../protocol/events.ts';
import { RESTING_STATES, type Vm } from '../../../protocol/vm.ts';
import type { DamagedRecord, VmRecord } from '../../ports/records.ts';
import { findAnyVm, findVm, recordDamaged } from '../find-vm.ts';
import { killStrays } from '../vm-drivers.ts';
import { damagedView, vmView } from '../vm-view.ts';
import type { BootStores, UnrecordedVms, VmHost, Vms } from '../world.ts';
import { interruptWork } from './interrupt-work.ts';

/** How a VM is deleted. */
export interface DeleteOptions {
  onlyResting?: boolean;
  /** `ms` to wait for the VM's lock; default: as for every command. `Infinity` when nobody would try again */
  waitMs?: number;
  report?: Report;
}

/**
 * Deletes a VM: its VMM, its files, its record. Not cancellable once begun; after a crash the next daemon
 * finishes it. Other operations on the VM are cancelled first ({@link interruptWork}); cancelling its
 * creation already deletes it. With `onlyResting` nothing is cancelled, and a VM that runs or is starting is
 * refused and left untouched.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_BUSY, VM_IN_USE, VMM_KILL_FAILED; VM_RECORD_DAMAGED with `onlyResting`.
 */
export async function deleteVm(
  world: Vms & Pick<VmHost, 'drivers' | 'files'> & Pick<BootStores, 'images'> & Pick<UnrecordedVms, 'pool'>,
  ref: string,
  { onlyResting = false, waitMs, report }: DeleteOptions = {},
): Promise<Vm> {
  const found = findAnyVm(world.records, ref);
  if ('problem' in found) return await deleteDamaged(world, found, { onlyResting, report });
  const { id } = found;
  const signal = neverAborts();
  const hasInterrupted = !onlyResting && interruptWork(world, found, 'delete');
  const removed = await world.locks.run(
    id,
    async () => {
      if (hasInterrupted && !world.records.get(id)) return found;
      const record = findVm(world.records, id);
      if (onlyResting && !RESTING_STATES.includes(record.state)) throw inUse(record);
      world.records.update({ ...record, state: 'deleting' });
      await purgeVm(world, id, { report });
      return record;
    },
    { action: 'delete', isInterruptible: false, report, signal, ...(waitMs === undefined ? {} : { waitMs }) },
  );
  world.pool?.vmEnded();
  world.images
    .release(removed.imageId, { signal })
    .catch((error: unknown) => world.log.warn('an unused image could not be removed', { error }));
  return vmView(removed);
}

/** With a damaged record it is unknown whether the VM runs. */
async function deleteDamaged(
  world: Pick<Vms, 'records' | 'live' | 'locks'> & Pick<VmHost, 'drivers' | 'files'>,
  damaged: DamagedRecord,
  { onlyResting, report }: { onlyResting: boolean; report: Report | undefined },
): Promise<Vm> {
  if (onlyResting) throw recordDamaged(damaged);
  const { id } = damaged;
  await world.locks.run(id, () => purgeVm(world, id, { report }), {
    action: 'delete',
    isInterruptible: false,
    report,
    signal: neverAborts(),
  });
  return damagedView(damaged);
}

/**
 * Removes everything of a VM, with or without a record. Idempotent. The caller holds the VM's lock, or is the
 * only one that knows the VM.
 */
export async function purgeVm(
  world: Pick<Vms, 'records' | 'live'> & Pick<VmHost, 'drivers' | 'files'>,
  vmId: string,
  { report = () => {} }: { report?: Report | undefined } = {},
): Promise<void> {
  report({ event: 'progress', stage: 'kill' });
  // The search for a VMM that nobody knows takes as long as the end of the known one. Both end before the
  // files go.
  const ends = await Promise.allSettled([
    world.live.get(vmId)?.kill({ areDrivesGivenUp: true }),
    killStrays(world, { vmId, ...world.files.folders(vmId) }),
  ]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  await world.live.remove(vmId);
  report({ event: 'progress', stage: 'files' });
  await world.files.remove(vmId);
  world.records.delete(vmId);
}

function inUse({ name, state }: VmRecord): AppError {
  return new AppError('VM_IN_USE', `Cannot prune vm "${name}": it is now ${state}`, {
    hint: `banger vm delete ${name}`,
    details: { state },
  });
}
