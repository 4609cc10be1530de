import { rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { AppError, isErrno } from '../../../../base/errors.ts';
import { reportNoSpace } from '../../../../base/files/no-space.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { DriveRequest, DriveSpec } from '../../../../core/ports/vmm/spec.ts';
import type { BlankDisks, BlankKind } from '../../blank-disks.ts';
import { copyDriveFile } from '../../copy-drive-file.ts';

/** Smallest drive that holds an ext4 with a journal, in `bytes`. */
const MIN_DRIVE_BYTES = 16 * 1024 * 1024;
/**
 * Page size of the guest; a drive ends at a page boundary, so that its file system and device-mapper tables
 * can use all of it.
 */
const PAGE_BYTES = 4096;

/**
 * Creates `overlay.qcow2` and `work.qcow2` in the VM's folder and describes all four drives. Refuses to
 * overwrite existing files. Leaves nothing after a failure.
 *
 * @throws {AppError} HOST_NO_SPACE, VMM_TOOL_MISSING; VMM_DRIVE_INVALID for an impossible size.
 */
export async function prepareDrives(
  request: DriveRequest,
  { blanks, signal }: Abortable & { blanks: BlankDisks },
): Promise<readonly DriveSpec[]> {
  requireSize('overlay', request.overlayBytes);
  requireSize('work', request.diskSizeBytes);
  const root = await readOnlyDrive('root', request.rootfsPath);
  const modules = await readOnlyDrive('modules', request.modulesPath);
  await using undo = new ResourceStack();
  const writable = async (serial: BlankKind, sizeBytes: number): Promise<DriveSpec> => {
    const target = join(request.dir, `${serial}.qcow2`);
    const original = request.copyOf?.find((drive) => drive.serial === serial);
    if (original) await copyDrive(original, target, { signal });
    else await blanks.copyTo({ kind: serial, sizeBytes, target }, { signal });
    undo.defer(`remove "${target}"`, () => rm(target, { force: true }));
    return { serial, pathOnHost: target, format: 'qcow2', isReadOnly: false, sizeBytes };
  };
  const overlay = await writable('overlay', request.overlayBytes);
  const work = await writable('work', request.diskSizeBytes);
  signal.throwIfAborted();
  undo.move();
  return [root, overlay, work, modules];
}

async function readOnlyDrive(serial: 'root' | 'modules', path: string): Promise<DriveSpec> {
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

async function copyDrive(
  { serial, pathOnHost }: DriveSpec,
  target: string,
  options: Abortable,
): Promise<void> {
  await reportNoSpace(() => copyDriveFile(pathOnHost, target, options), {
    what: `the drive "${serial}"`,
    dir: dirname(target),
  });
}

function requireSize(serial: BlankKind, sizeBytes: number): void {
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
