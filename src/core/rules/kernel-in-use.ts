import { AppError } from '../../base/errors.ts';

/** The error for a kernel that cannot be deleted; `users` names what needs it. */
export function kernelInUse(name: string, users: readonly string[]): AppError {
  return new AppError('KERNEL_IN_USE', `Cannot delete kernel "${name}": it is used by ${users.join(', ')}`, {
    hint: 'delete these first: banger vm delete, banger image delete',
    details: { kernel: name, users: [...users] },
  });
}
