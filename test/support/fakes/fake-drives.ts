import { constants } from 'node:fs';
import { copyFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import { reportNoSpace } from '../../../src/base/files/no-space.ts';
import { ResourceStack } from '../../../src/base/resource-stack.ts';
import type { DriveRequest, DriveSpec, WorkDiskRequest } from '../../../src/core/ports/vmm/spec.ts';

/** As `VmDriver.prepareWorkDisk`. */
export async function prepareWorkDisk(
  { dir, diskSizeBytes, workBase }: WorkDiskRequest,
  { signal }: Abortable,
): Promise<DriveSpec> {
  signal.throwIfAborted();
  const pathOnHost = join(dir, 'work.raw');
  await reportNoSpace(() => writeFile(pathOnHost, '', { flag: 'wx', mode: 0o600 }), { what: 'work', dir });
  await truncate(pathOnHost, diskSizeBytes);
  return {
    ...{ serial: 'work', pathOnHost, format: 'raw', isReadOnly: false, sizeBytes: diskSizeBytes },
    ...(workBase ? { base: workBase } : {}),
  };
}

/** As `VmDriver.prepareDrives`. */
export async function prepareDrives(
  request: DriveRequest,
  { signal }: Abortable,
): Promise<readonly DriveSpec[]> {
  await using undo = new ResourceStack();
  const readOnly = async (serial: 'root' | 'modules', path: string): Promise<DriveSpec> => {
    const { size } = await stat(path);
    return { serial, pathOnHost: path, format: 'raw', isReadOnly: true, sizeBytes: size };
  };
  const writable = async (serial: 'overlay' | 'work', sizeBytes: number): Promise<DriveSpec> => {
    if (!(Number.isSafeInteger(sizeBytes) && sizeBytes >= 16 * 2 ** 20 && sizeBytes % 4096 === 0)) {
      throw new AppError('VMM_DRIVE_INVALID', `Cannot make the drive "${serial}" with ${sizeBytes} bytes`);
    }
    const path = join(request.dir, `${serial}.raw`);
    await reportNoSpace(() => writeFile(path, '', { flag: 'wx', mode: 0o600 }), {
      what: serial,
      dir: request.dir,
    });
    undo.defer(`remove "${path}"`, () => rm(path, { force: true }));
    const original = request.copyOf?.find((drive) => drive.serial === serial);
    if (original) {
      const copy = (): Promise<void> => copyFile(original.pathOnHost, path);
      await reportNoSpace(copy, { what: serial, dir: request.dir });
    }
    await truncate(path, sizeBytes);
    const base = serial === 'work' && request.workBase ? { base: request.workBase } : {};
    return { serial, pathOnHost: path, format: 'raw', isReadOnly: false, sizeBytes, ...base };
  };
  const drives = [
    await readOnly('root', request.rootfsPath),
    await writable('overlay', request.overlayBytes),
    await writable('work', request.diskSizeBytes),
    await readOnly('modules', request.modulesPath),
  ];
  signal.throwIfAborted();
  undo.move();
  return drives;
}

/** As `VmDriver.readDrive`. */
export async function readDrive(
  drive: DriveSpec,
  { target, signal }: Abortable & { target: string },
): Promise<void> {
  signal.throwIfAborted();
  const found = await stat(drive.pathOnHost).catch(() => undefined);
  if (drive.base || found?.size !== drive.sizeBytes) {
    throw new AppError('VMM_DRIVE_INVALID', `Cannot read the drive "${drive.serial}"`);
  }
  const copy = (): Promise<void> => copyFile(drive.pathOnHost, target, constants.COPYFILE_EXCL);
  await reportNoSpace(copy, { what: drive.serial, dir: dirname(target) });
}

/** As `VmDriver.growDrive`. */
export async function growDrive(drive: DriveSpec, sizeBytes: number): Promise<DriveSpec> {
  const found = await stat(drive.pathOnHost).catch(() => undefined);
  if (drive.isReadOnly || !found || found.size > sizeBytes || sizeBytes % 4096 !== 0) {
    throw new AppError('VMM_DRIVE_INVALID', `Cannot make the drive "${drive.serial}" ${sizeBytes} bytes`);
  }
  await truncate(drive.pathOnHost, sizeBytes);
  return { ...drive, sizeBytes };
}
