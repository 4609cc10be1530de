import type { Abortable } from '../../../base/abort.ts';
import type { VmRecord } from '../../ports/records.ts';
import { driverOf } from '../vm-drivers.ts';
import type { VmHost, Vms } from '../world.ts';

/**
 * Gives a new VM, which has its folders and no drives yet, `file` as the base of its work disk; without one
 * the work disk begins blank. Returns the record.
 *
 * @throws {AppError} as `VmDriver.addBase`.
 */
export async function withBase(
  world: Pick<Vms, 'records'> & Pick<VmHost, 'drivers' | 'files'>,
  record: VmRecord,
  { file, signal }: Abortable & { file: string | undefined },
): Promise<VmRecord> {
  if (file === undefined) return record;
  const { baseDir } = world.files.folders(record.id);
  const workBase = await driverOf(world, record).addBase({ file, dir: baseDir }, { signal });
  return world.records.update({ ...record, workBase });
}
