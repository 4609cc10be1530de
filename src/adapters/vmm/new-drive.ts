import { stat } from 'node:fs/promises';
import { AppError, isErrno } from '../../base/errors.ts';
import type { DriveBase, DriveSpec } from '../../core/ports/vmm/spec.ts';
import { PAGE_BYTES } from './drive-size.ts';

/** Smallest drive that holds an ext4 with a journal, in `bytes`. */
const MIN_DRIVE_BYTES = 16 * 1024 * 1024;

/** @throws {AppError} VMM_DRIVE_INVALID when a new drive cannot have this size. */
export function requireDriveSize(serial: DriveSpec['serial'], sizeBytes: number): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= MIN_DRIVE_BYTES && sizeBytes % PAGE_BYTES === 0) return;
  throw new AppError(
    'VMM_DRIVE_INVALID',
    `Cannot make the drive "${serial}" with ${sizeBytes} bytes: it must be a multiple of ${PAGE_BYTES} of at least ${MIN_DRIVE_BYTES}`,
    {
      hint: 'give a size in MiB, at least 16M',
      details: { serial, sizeBytes },
    },
  );
}

/** @throws {AppError} VMM_DRIVE_INVALID when the base has no room in a work disk of this size. */
export function requireFits({ pathOnHost, sizeBytes }: DriveBase, diskSizeBytes: number): void {
  if (sizeBytes <= diskSizeBytes) return;
  throw new AppError(
    'VMM_DRIVE_INVALID',
    `Cannot use "${pathOnHost}" below a work disk: it has ${sizeBytes} bytes, and the disk only ${diskSizeBytes}`,
    { details: { serial: 'work', path: pathOnHost } },
  );
}

/**
 * The spec of a drive that VMs share.
 *
 * @throws {AppError} VMM_DRIVE_INVALID when the file is missing.
 */
export async function readOnlyDrive(serial: 'root' | 'modules', path: string): Promise<DriveSpec> {
  try {
    const { size } = await stat(path);
    return { serial, pathOnHost: path, format: 'raw', isReadOnly: true, sizeBytes: size };
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new AppError('VMM_DRIVE_INVALID', `Cannot use the drive "${serial}" at "${path}": it is missing`, {
      hint: 'build the image again: banger image build',
      details: { serial, path },
    });
  }
}
