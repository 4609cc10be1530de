import { AppError } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { Vms } from '../world.ts';

/**
 * Cancels the other operations on a VM before a kill or a delete: a start, a fork, a snapshot, a stop that
 * waits for its guest. Each undoes what it began; the VM's lock is free after that. Only a delete cancels a
 * creation, because nothing of the VM is left then. Returns whether there was an operation to cancel.
 */
export function interruptWork(
  world: Pick<Vms, 'locks'>,
  { id, name }: VmRecord,
  by: 'kill' | 'delete',
): boolean {
  const what = by === 'kill' ? 'killed' : 'deleted';
  const reason = new AppError('OPERATION_CANCELLED', `The operation was cancelled: vm "${name}" is ${what}`);
  return world.locks.interrupt(id, { reason, except: by === 'kill' ? ['create'] : [] });
}
