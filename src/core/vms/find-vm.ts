import { AppError } from '../../base/errors.ts';
import type { VmRecord, VmRecords } from '../ports/records.ts';

/**
 * The VM that `ref` means: its id, its name, or a prefix of its id that no other has; in this order, so that an id means the same VM
 * whatever others are called.
 *
 * @throws {AppError} VM_NOT_FOUND; VM_REF_AMBIGUOUS listing the candidates.
 */
export function findVm(records: VmRecords, ref: string): VmRecord {
  const all = records.list();
  const exact = all.find(({ id }) => id === ref) ?? all.find(({ name }) => name === ref);
  if (exact) return exact;
  const candidates = ref === '' ? [] : all.filter(({ id }) => id.startsWith(ref));
  const [only] = candidates;
  if (only && candidates.length === 1) return only;
  if (candidates.length > 1) {
    throw new AppError(
      'VM_REF_AMBIGUOUS',
      `Cannot tell which vm "${ref}" is: ${candidates.length} ids begin so`,
      {
        hint: `use one of ${candidates.map(({ name }) => name).join(', ')}`,
        details: { candidates: candidates.map(({ id, name }) => ({ id, name })) },
      },
    );
  }
  throw new AppError('VM_NOT_FOUND', `Cannot find a vm "${ref}"`, {
    hint: 'banger vm list --all',
    details: { ref },
  });
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
