import { AppError } from '../base/errors.ts';

/** Longest VM name: names are DNS labels (RFC 1035 section 2.3.4). */
export const MAX_VM_NAME_LENGTH = 63;

/**
 * Checks a VM name: 1 to 63 characters of `a-z 0-9 -`, without `-` at either end. It is never normalised.
 *
 * @throws {AppError} VM_NAME_INVALID saying which rule is broken.
 */
export function checkVmName(name: string): void {
  const problem = vmNameProblem(name);
  if (problem) {
    throw new AppError('VM_NAME_INVALID', problem, {
      hint: "use lowercase a-z, 0-9 and '-', for example my-box",
      details: { field: 'name', value: name },
    });
  }
}

function vmNameProblem(name: string): string | undefined {
  if (name === '') return 'vm name is required';
  const bad = [...name].findIndex((c) => !/[a-z0-9-]/.test(c));
  if (bad >= 0) {
    const shown = JSON.stringify([...name][bad]).slice(1, -1);
    return `vm name ${JSON.stringify(name.slice(0, 80))} has invalid character '${shown}' at position ${bad + 1} (allowed: lowercase a-z, 0-9, '-')`;
  }
  if (name.length > MAX_VM_NAME_LENGTH) {
    return `vm name "${name.slice(0, 20)}..." is ${name.length} characters; max is ${MAX_VM_NAME_LENGTH} (DNS label limit)`;
  }
  if (name.startsWith('-') || name.endsWith('-')) return `vm name "${name}" cannot start or end with '-'`;
  return undefined;
}
