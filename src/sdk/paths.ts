import { AppError } from '../base/errors.ts';

/**
 * Path of one VM below `/vms`, escaped.
 *
 * @throws {AppError} VM_REF_INVALID when `ref` can be neither a name nor an id: it would mean another route.
 */
export function vmPath(ref: string, ...rest: readonly string[]): string {
  if (!/^[a-z0-9-]{1,63}$/.test(ref)) {
    throw new AppError(
      'VM_REF_INVALID',
      `Cannot use ${JSON.stringify(ref)} as a VM: it is neither a name nor an id`,
      {
        hint: 'banger vm list --all',
        details: { field: 'ref', value: ref },
      },
    );
  }
  return ['/vms', ref, ...rest].join('/');
}

/**
 * Path of one image below `/images`, escaped.
 *
 * @throws {AppError} IMAGE_NAME_INVALID when `name` is empty or would mean another route.
 */
export function imagePath(name: string, ...rest: readonly string[]): string {
  if (name === '' || name === '.' || name === '..') {
    throw new AppError('IMAGE_NAME_INVALID', `Cannot use "${name}" as an image: it is not a name`, {
      hint: 'banger image list',
      details: { field: 'image', value: name },
    });
  }
  return ['/images', encodeURIComponent(name), ...rest].join('/');
}
