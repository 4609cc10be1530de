import { AppError } from '../base/errors.ts';
import { SNAPSHOT_TAG } from '../protocol/vm-limits.ts';
import { checkVmRef } from '../protocol/vm-ref.ts';

/**
 * Returns the path of one VM below `/vms`, escaped.
 *
 * @throws {AppError} VM_REF_INVALID when `ref` can be neither a name nor an id, and so could name another
 * route.
 */
export function vmPath(ref: string, ...rest: readonly string[]): string {
  checkVmRef(ref);
  return ['/vms', ref, ...rest].join('/');
}

/**
 * Returns the path of one image below `/images`, escaped.
 *
 * @throws {AppError} IMAGE_NAME_INVALID when `name` is empty or could name another route.
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

/**
 * Returns the path of one kernel below `/kernels`, escaped.
 *
 * @throws {AppError} KERNEL_NAME_INVALID when `name` is empty or could name another route.
 */
export function kernelPath(name: string): string {
  if (name === '' || name === '.' || name === '..') {
    throw new AppError('KERNEL_NAME_INVALID', `Cannot use "${name}" as a kernel: it is not a name`, {
      hint: 'banger kernel list',
      details: { field: 'kernel', value: name },
    });
  }
  return `/kernels/${encodeURIComponent(name)}`;
}

/**
 * Returns the path of one operation below `/operations`.
 *
 * @throws {AppError} OPERATION_NOT_FOUND when `id` is not the id of an operation.
 */
export function operationPath(id: string, verb: string): string {
  if (!/^op-[0-9a-f]{1,32}$/.test(id)) {
    throw new AppError(
      'OPERATION_NOT_FOUND',
      `Cannot find the operation ${JSON.stringify(id.slice(0, 80))}`,
      {
        hint: 'banger operations list',
        details: { id },
      },
    );
  }
  return ['/operations', id, verb].join('/');
}

/**
 * Returns the path of one template below `/templates`.
 *
 * @throws {AppError} TEMPLATE_NOT_FOUND when `key` is neither a key nor a prefix of one, and so could name
 * another route.
 */
export function templatePath(key: string): string {
  if (/^[0-9a-f]{1,64}$/.test(key)) return `/templates/${key}`;
  throw new AppError('TEMPLATE_NOT_FOUND', `Cannot find a template "${key}": keys are hex digits`, {
    hint: 'banger template list',
    details: { field: 'key', value: key },
  });
}

/**
 * Returns the path of one snapshot of a VM.
 *
 * @throws {AppError} SNAPSHOT_NOT_FOUND when `tag` is not a tag; as {@link vmPath}.
 */
export function snapshotPath(ref: string, tag: string, ...rest: readonly string[]): string {
  if (SNAPSHOT_TAG.test(tag)) return vmPath(ref, 'snapshots', tag, ...rest);
  throw new AppError('SNAPSHOT_NOT_FOUND', `Cannot find a snapshot ${JSON.stringify(tag.slice(0, 80))}`, {
    hint: `banger vm snapshot list ${ref}`,
    details: { field: 'tag', value: tag },
  });
}

/** Appends the parameters that have a value to `path`; `Query` is the type of the route's query. */
export function withQuery<Query>(
  path: string,
  query: { readonly [K in keyof Query]: Query[K] | undefined },
): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
  return given.size === 0 ? path : `${path}?${given}`;
}

/** Returns the value of a query parameter that is on when it is present. */
export function flag(isOn: boolean | undefined): '1' | undefined {
  return isOn ? '1' : undefined;
}
