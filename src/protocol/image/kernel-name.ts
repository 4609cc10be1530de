import { AppError } from '../../base/errors.ts';

/** A name that a user may give to a kernel. */
const GIVEN_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/**
 * Returns `name` when a user may give it to a kernel.
 *
 * @throws {AppError} KERNEL_NAME_INVALID
 */
export function checkKernelName(name: string): string {
  if (GIVEN_NAME.test(name)) return name;
  const shown = name.slice(0, 100);
  throw new AppError('KERNEL_NAME_INVALID', `Cannot use "${shown}" as the name of a kernel`, {
    hint: "use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit",
    details: { field: 'name', value: shown },
  });
}
