import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { reportNoSpace } from '../../../../base/files/no-space.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { DriveBase, DriveRequest, DriveSpec, WorkDiskRequest } from '../../../../core/ports/vmm/spec.ts';
import type { BlankDisks, BlankKind } from '../../blank-disks.ts';
import { copyDriveFile } from '../../copy-drive-file.ts';
import { readOnlyDrive, requireDriveSize, requireFits } from '../../new-drive.ts';
import { nameBacking } from '../../qcow2-backing.ts';

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
  requireDriveSize('overlay', request.overlayBytes);
  requireDriveSize('work', request.diskSizeBytes);
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
  requireDriveSize('work', sizeBytes);
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
  if (base) requireFits(base, sizeBytes);
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
