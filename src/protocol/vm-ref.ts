import { AppError } from '../base/errors.ts';

/** Most VMs that the hint of an ambiguous reference names. */
const MAX_NAMED = 10;

/** What a reference can name. */
interface Referable {
  id: string;
  name: string;
}

/**
 * Checks that `ref` can be the name or the id of a VM.
 *
 * @throws {AppError} VM_REF_INVALID
 */
export function checkVmRef(ref: string): void {
  if (/^[a-z0-9-]{1,63}$/.test(ref)) return;
  throw new AppError(
    'VM_REF_INVALID',
    `Cannot use ${JSON.stringify(ref)} as a VM: it is neither a name nor an id`,
    {
      hint: 'banger vm list --all',
      details: { field: 'ref', value: ref },
    },
  );
}

/**
 * Returns the VM whose id, name or unique id prefix is `ref`. An id is tried first, so that no other VM's
 * name can change what it means.
 *
 * @throws {AppError} VM_NOT_FOUND; VM_REF_AMBIGUOUS listing the candidates.
 */
export function resolveVmRef<T extends Referable>(all: readonly T[], ref: string): T {
  const exact = all.find(({ id }) => id === ref) ?? all.find(({ name }) => name === ref);
  if (exact) return exact;
  const candidates = ref === '' ? [] : all.filter(({ id }) => id.startsWith(ref));
  const [only] = candidates;
  if (only && candidates.length === 1) return only;
  if (candidates.length > 1) throw ambiguous(ref, candidates);
  throw new AppError('VM_NOT_FOUND', `Cannot find a vm "${ref}"`, {
    hint: 'banger vm list --all',
    details: { ref },
  });
}

function ambiguous(ref: string, candidates: readonly Referable[]): AppError {
  const named = candidates.slice(0, MAX_NAMED).map(({ id, name }) => `${name} (${id})`);
  const more = candidates.length - named.length;
  return new AppError(
    'VM_REF_AMBIGUOUS',
    `Cannot tell which vm "${ref}" is: ${candidates.length} VMs have ids that start with it`,
    {
      hint: `use one of ${named.join(', ')}${more > 0 ? `, and ${more} more` : ''}`,
      details: { candidates: candidates.map(({ id, name }) => ({ id, name })) },
    },
  );
}
