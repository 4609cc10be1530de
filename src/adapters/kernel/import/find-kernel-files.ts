import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError, isErrno } from '../../../base/errors.ts';
import { isThere } from '../../../base/files/if-there.ts';

/** Names of kernels in a folder, the best first. */
const KERNEL_FILES = [/^vmlinuz([-.].*)?$/, /^bzImage$/, /^Image(\.gz)?$/, /^vmlinux([-.].*)?$/] as const;

/** Options of the kernel beside them. */
const CONFIG = /^\.?config$/;

/**
 * The kernel that a path means: the file itself, or the one kernel in a folder or in `boot` below it.
 *
 * @throws {AppError} KERNEL_FILE_INVALID when there is none, or more than one.
 */
export async function findKernelFile(path: string): Promise<string> {
  if (!(await statOf(path)).isDirectory()) return path;
  for (const folder of [path, join(path, 'boot')]) {
    const names = await namesIn(folder);
    for (const pattern of KERNEL_FILES) {
      const found = names.filter((name) => pattern.test(name));
      if (found.length > 1)
        throw invalid(path, `it has several kernels: ${found.join(', ')}; give one of them`);
      if (found[0] !== undefined) return join(folder, found[0]);
    }
  }
  throw invalid(path, 'it has no file vmlinuz, bzImage, Image or vmlinux');
}

/** The folder with the modules of a kernel's release, near its file; `undefined` when there is none. */
export async function findModules(kernelPath: string, release: string): Promise<string | undefined> {
  const folder = dirname(kernelPath);
  const above = dirname(folder);
  const roots = basename(folder) === 'boot' ? [folder, above] : [folder];
  for (const root of roots) {
    for (const place of [`lib/modules/${release}`, `modules/${release}`, 'modules']) {
      if (await isThere(join(root, place, 'modules.dep'))) return join(root, place);
    }
  }
  return undefined;
}

/** The file with a kernel's options near its file; `undefined` when there is none. */
export async function findConfig(kernelPath: string, release: string): Promise<string | undefined> {
  const folder = dirname(kernelPath);
  const names = await namesIn(folder);
  const found = names.find((name) => name === `config-${release}`) ?? names.find((name) => CONFIG.test(name));
  return found === undefined ? undefined : join(folder, found);
}

/** The error for a path that is no kernel. */
export function invalid(path: string, why: string, cause?: unknown): AppError {
  return new AppError('KERNEL_FILE_INVALID', `Cannot import "${path}" as a kernel: ${why}`, {
    hint: 'give a vmlinux, bzImage or Image, or a folder with one',
    details: { path },
    cause,
  });
}

async function statOf(path: string): ReturnType<typeof stat> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw invalid(path, 'it does not exist', error);
    if (isErrno(error, 'EACCES')) throw invalid(path, 'this user may not read it', error);
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
