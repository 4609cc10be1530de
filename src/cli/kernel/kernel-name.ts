import { basename, resolve } from 'node:path';
import { badOption } from '../vm/guest-env.ts';

/**
 * The name of a kernel that is imported from a path: that of the file, with what a name cannot have replaced.
 */
export function kernelNameOf(path: string): string {
  const name = basename(path)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]/g, '-');
  return name.replace(/^[^a-z0-9]+/, '').slice(0, 64) || 'kernel';
}

/**
 * Returns the absolute path that an option names.
 *
 * @throws {AppError} USAGE_OPTION_VALUE when it is empty.
 */
export function pathOption(flag: string, value: string, cwd: string): string {
  if (value !== '') return resolve(cwd, value);
  throw badOption(flag, { value, why: 'it is empty', hint: 'give a path' });
}
