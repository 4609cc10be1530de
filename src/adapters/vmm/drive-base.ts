import { link, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import type { DriveBase } from '../../core/ports/vmm/spec.ts';
import { copyDriveFile } from './copy-drive-file.ts';
import { PAGE_BYTES } from './drive-size.ts';

/** Name of the base of a VM's work disk. A VM has at most one. */
const NAME = 'work.ext4';

/** As `VmDriver.addBase`. */
export async function addBase(
  { file, dir }: { file: string; dir: string },
  { signal }: Abortable,
): Promise<DriveBase> {
  const pathOnHost = join(dir, NAME);
  const sizeBytes = await sizeOf(file);
  // What is there belongs to an attempt that did not finish.
  if (pathOnHost !== file) await rm(pathOnHost, { force: true });
  else return { pathOnHost, sizeBytes };
  try {
    await reportNoSpace(() => linkOrCopy(file, pathOnHost, { signal }), {
      what: 'the base of a work disk',
      dir,
    });
  } catch (error) {
    // It was removed a moment ago.
    if (isErrno(error, 'ENOENT')) await sizeOf(file);
    throw error;
  }
  return { pathOnHost, sizeBytes };
}

async function linkOrCopy(file: string, target: string, { signal }: Abortable): Promise<void> {
  signal.throwIfAborted();
  try {
    await link(file, target);
  } catch (error) {
    // link(2): another file system, too many links, or a file system or a host that does not allow them.
    if (!isErrno(error, 'EXDEV', 'EMLINK', 'EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
    await copyDriveFile(file, target, { signal });
  }
}

async function sizeOf(file: string): Promise<number> {
  const invalid = (problem: string): AppError =>
    new AppError('VMM_DRIVE_INVALID', `Cannot use "${file}" below a work disk: ${problem}`, {
      details: { serial: 'work', path: file },
    });
  try {
    const { size } = await stat(file);
    if (size > 0 && size % PAGE_BYTES === 0) return size;
    throw invalid(`its ${size} bytes are not whole pages of ${PAGE_BYTES}`);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw invalid('it is missing');
  }
}
