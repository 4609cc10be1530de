import { AppError } from '../../base/errors.ts';

/** The error for a VM name that another VM has. */
export function vmNameTaken(name: string): AppError {
  return new AppError('VM_NAME_TAKEN', `Cannot name a VM "${name}": another VM has that name`, {
    hint: `pick another name, or: banger vm delete ${name}`,
    details: { field: 'name', value: name },
  });
}
