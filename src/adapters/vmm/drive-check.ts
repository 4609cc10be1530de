import { access, constants, stat } from 'node:fs/promises';
import { AppError, isErrno } from '../../base/errors.ts';
import { plural } from '../../base/text/words.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { qcow2Problem } from './qcow2-header.ts';

/** Sector size of a virtio block device; a raw file must consist of whole sectors. */
const SECTOR_BYTES = 512;

/**
 * Checks before a start that every drive exists, has the size it was created with, and is readable or
 * writable as intended.
 *
 * @throws {AppError} VMM_DRIVE_INVALID naming the first bad drive.
 */
export async function checkDrives(drives: readonly DriveSpec[]): Promise<void> {
  const problems = await Promise.all(drives.map(driveProblem));
  for (const [at, problem] of problems.entries()) {
    const drive = drives[at];
    if (problem === undefined || !drive) continue;
    throw new AppError(
      'VMM_DRIVE_INVALID',
      `Cannot use the drive "${drive.serial}" at "${drive.pathOnHost}": ${problem}`,
      {
        hint: drive.isReadOnly
          ? 'build the image again: banger image build'
          : 'this VM can no longer be started; delete it',
        details: { serial: drive.serial, path: drive.pathOnHost },
      },
    );
  }
}

async function driveProblem({
  pathOnHost,
  format,
  isReadOnly,
  sizeBytes,
  base,
}: DriveSpec): Promise<string | undefined> {
  const baseProblem = base && (await rawProblem(base.pathOnHost, base.sizeBytes));
  if (base && baseProblem !== undefined) return `the image "${base.pathOnHost}" below it: ${baseProblem}`;
  const problem =
    format === 'raw' ? await rawProblem(pathOnHost, sizeBytes) : await qcow2Problem(pathOnHost, sizeBytes);
  if (problem !== undefined) return problem;
  return isReadOnly || (await isWritable(pathOnHost)) ? undefined : 'it is not writable';
}

async function rawProblem(path: string, sizeBytes: number): Promise<string | undefined> {
  const size = await sizeOf(path);
  if (size === undefined) return 'it is missing';
  if (size !== sizeBytes) return `it has ${plural(size, 'byte')} instead of ${sizeBytes}`;
  return size % SECTOR_BYTES === 0 && size > 0
    ? undefined
    : `it does not consist of whole sectors (${plural(size, 'byte')})`;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function isWritable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EROFS', 'EPERM')) return false;
    throw error;
  }
}
