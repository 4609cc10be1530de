import { AppError } from '../../base/errors.ts';
import { resolveVmRef } from '../../protocol/vm-ref.ts';
import type { DamagedRecord, VmRecord, VmRecords } from '../ports/records.ts';

/** Where VMs are looked up. */
export type KnownVms = Pick<VmRecords, 'list' | 'damaged'>;

/**
 * The VM that `ref` means.
 *
 * @throws {AppError} VM_RECORD_DAMAGED when its record cannot be read; as {@link resolveVmRef}.
 */
export function findVm(records: KnownVms, ref: string): VmRecord {
  const found = findAnyVm(records, ref);
  if ('problem' in found) throw recordDamaged(found);
  return found;
}

/**
 * The VM that `ref` means, even if its record cannot be read.
 *
 * @throws {AppError} as {@link resolveVmRef}.
 */
export function findAnyVm(records: KnownVms, ref: string): VmRecord | DamagedRecord {
  return resolveVmRef<VmRecord | DamagedRecord>([...records.list(), ...records.damaged()], ref);
}

/** The error for a VM whose record cannot be read. */
export function recordDamaged({ id, name, problem }: DamagedRecord): AppError {
  return new AppError('VM_RECORD_DAMAGED', `Cannot use vm "${name}": its record is damaged: ${problem}`, {
    hint: `its disks still exist; restore a backup of the records, or delete the VM: banger vm delete ${name}`,
    details: { id, name, problem },
  });
}

/**
 * The VM that `ref` means, when it runs.
 *
 * @throws {AppError} VM_NOT_RUNNING, and as {@link findVm}.
 */
export function findRunningVm(records: KnownVms, ref: string): VmRecord {
  const record = findVm(records, ref);
  if (record.state === 'running') return record;
  throw new AppError('VM_NOT_RUNNING', `vm "${record.name}" is not running (state: ${record.state})`, {
    hint: `banger vm start ${record.name}`,
    details: { state: record.state },
  });
}
