import type { Abortable } from '../../base/abort.ts';
import type { VmRecord } from '../ports/records.ts';
import { findVm } from './find-vm.ts';
import type { Vms } from './world.ts';

/**
 * Keeps a VM that would be deleted when the client that made it is gone: from now on it is like any other VM.
 * Does nothing to one that already is.
 *
 * @throws {AppError} VM_NOT_FOUND
 */
export async function keepVm(
  world: Pick<Vms, 'records' | 'locks'>,
  ref: string,
  { signal }: Abortable,
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  const keep = async (): Promise<VmRecord> => {
    const record = findVm(world.records, id);
    return record.ephemeral ? world.records.update({ ...record, ephemeral: false }) : record;
  };
  return await world.locks.run(id, keep, { action: 'change', signal });
}
