import { AppError } from '../../base/errors.ts';
import { resolveVmRef } from '../../protocol/vm-ref.ts';
import type { VmRecord, VmRecords } from '../ports/records.ts';

/**
 * The VM that `ref` means.
 *
 * @throws {AppError} as {@link resolveVmRef}.
 */
export function findVm(records: VmRecords, ref: string): VmRecord {
  return resolveVmRef(records.list(), ref);
}

/**
 * The VM that `ref` means, when it runs.
 *
 * @throws {AppError} VM_NOT_RUNNING, and as {@link findVm}.
 */
export function findRunningVm(records: VmRecords, ref: string): VmRecord {
  const record = findVm(records, ref);
  if (record.state === 'running') return record;
  throw new AppError('VM_NOT_RUNNING', `vm "${record.name}" is not running (state: ${record.state})`, {
    hint: `banger vm start ${record.name}`,
    details: { state: record.state },
  });
}
