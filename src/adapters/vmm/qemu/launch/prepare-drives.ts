import { rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { AppError, isErrno } from '../../../../base/errors.ts';
import { reportNoSpace } from '../../../../base/files/no-space.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { DriveBase, DriveRequest, DriveSpec, WorkDiskRequest } from '../../../../core/ports/vmm/spec.ts';
import type { BlankDisks, BlankKind } from '../../blank-disks.ts';
import { copyDriveFile } from '../../copy-drive-file.ts';
import { PAGE_BYTES } from '../../drive-size.ts';
import { nameBacking } from '../../qcow2-backing.ts';

/** Smallest drive that holds an ext4 with a journal, in `bytes`. */
const MIN_DRIVE_BYTES = 16 * 1024 * 1024;
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
  const common = { ...request, blanks, undo, signal };
  const overlay = await writableDrive('overlay', { ...common, sizeBytes: request.overlayBytes });
  const work = await writableDrive('work', {
    ...common,
    sizeBytes: request.diskSizeBytes,
    base: request.workBase,
  });
  signal.throwIfAborted();
  undo.move();
  return [root, overlay, work, modules];
}

/** As `VmDriver.prepareWorkDisk`. */
export async function prepareWorkDisk(
  { dir, diskSizeBytes: sizeBytes, workBase: base }: WorkDiskRequest,
  { blanks, signal }: Abortable & { blanks: BlankDisks },
): Promise<DriveSpec> {
  requireSize('work', sizeBytes);
  await using undo = new ResourceStack();
  const work = await writableDrive('work', { dir, sizeBytes, base, blanks, undo, signal });
  signal.throwIfAborted();
  undo.move();
  return work;
}

async function writableDrive(
  serial: BlankKind,
  {
    dir,
    sizeBytes,
    copyOf,
    base,
    blanks,
    undo,
    signal,
  }: Abortable &
    Pick<DriveRequest, 'dir' | 'copyOf'> & {
      sizeBytes: number;
      base?: DriveBase | undefined;
      blanks: BlankDisks;
      undo: ResourceStack;
    },
): Promise<DriveSpec> {
  const target = join(dir, `${serial}.qcow2`);
  const original = copyOf?.find((drive) => drive.serial === serial);
  if (base && base.sizeBytes > sizeBytes) throw tooLarge(base, sizeBytes);
  if (original) await copyDrive(original, target, { signal });
  // On top of a base, zeros would hide it: the drive begins with nothing.
  else await blanks.copyTo({ kind: base ? 'overlay' : serial, sizeBytes, target }, { signal });
  undo.defer(`remove "${target}"`, () => rm(target, { force: true }));
  if (base) await nameBacking(target, base.pathOnHost);
  return {
    ...{ serial, pathOnHost: target, format: 'qcow2', isReadOnly: false, sizeBytes },
    ...(base ? { base } : {}),
  };
}

function tooLarge({ pathOnHost, sizeBytes }: DriveBase, diskSizeBytes: number): AppError {
  return new AppError(
    'VMM_DRIVE_INVALID',
    `Cannot use "${pathOnHost}" below a work disk: it has ${sizeBytes} bytes, and the disk only ${diskSizeBytes}`,
    { details: { serial: 'work', path: pathOnHost } },
  );
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
