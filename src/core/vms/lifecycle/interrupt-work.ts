import { AppError } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { Vms } from '../world.ts';

/**
 * Cancels whatever else is being done to a VM that is to be killed or deleted: a start, a fork, a snapshot, a
 * stop that waits for its guest. Each undoes what it began; who then takes the VM's lock waits for that. A
 * creation is cancelled only by a delete, for nothing is left of it. Returns whether there was anything.
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
