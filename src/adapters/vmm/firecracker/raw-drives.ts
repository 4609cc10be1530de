import { chmod, open, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { reportNoSpace } from '../../../base/files/no-space.ts';
import { exec } from '../../../base/process/exec.ts';
import { toolEnv, type Variables } from '../../../base/process/programs.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { DriveBase, DriveRequest, DriveSpec, WorkDiskRequest } from '../../../core/ports/vmm/spec.ts';
import { copyDriveFile } from '../copy-drive-file.ts';
import { checkDrives } from '../drive-check.ts';
import { PAGE_BYTES } from '../drive-size.ts';
import { readOnlyDrive, requireDriveSize, requireFits } from '../new-drive.ts';
import { requireTool } from '../require-tool.ts';

/** What makes drives. */
export interface DriveTools extends Abortable {
  env: Variables;
}

/**
 * Creates `overlay.raw` and `work.raw`, sparse, in the VM's folder and describes all four drives. Refuses to
 * overwrite existing files. Leaves nothing after a failure.
 *
 * @throws {AppError} as `VmDriver.prepareDrives`.
 */
export async function prepareRawDrives(
  request: DriveRequest,
  { env, signal }: DriveTools,
): Promise<readonly DriveSpec[]> {
  const { dir, overlayBytes, diskSizeBytes, copyOf, workBase } = request;
  requireDriveSize('overlay', overlayBytes);
  requireDriveSize('work', diskSizeBytes);
  const root = await readOnlyDrive('root', request.rootfsPath);
  const modules = await readOnlyDrive('modules', request.modulesPath);
  await using undo = new ResourceStack();
  const common = { dir, env, undo, signal };
  const copied = (serial: DriveSpec['serial']): string | undefined =>
    copyOf?.find((drive) => drive.serial === serial)?.pathOnHost;
  const overlay = await rawDrive('overlay', {
    ...common,
    sizeBytes: overlayBytes,
    source: copied('overlay'),
  });
  const work = await workDisk({ ...common, diskSizeBytes, base: workBase, source: copied('work') });
  signal.throwIfAborted();
  undo.move();
  return [root, overlay, work, modules];
}

/** As `VmDriver.prepareWorkDisk`. */
export async function prepareRawWorkDisk(
  { dir, diskSizeBytes, workBase }: WorkDiskRequest,
  { env, signal }: DriveTools,
): Promise<DriveSpec> {
  requireDriveSize('work', diskSizeBytes);
  await using undo = new ResourceStack();
  const work = await workDisk({ dir, diskSizeBytes, base: workBase, env, undo, signal });
  signal.throwIfAborted();
  undo.move();
  return work;
}

/**
 * Enlarges a writable raw drive that no VMM has open, and returns its new description. Idempotent.
 *
 * @throws {AppError} as `VmDriver.growDrive`.
 */
export async function growRaw(drive: DriveSpec, sizeBytes: number): Promise<DriveSpec> {
  const { serial, pathOnHost, format, isReadOnly } = drive;
  const grown = { ...drive, sizeBytes };
  const problem =
    (isReadOnly ? 'it is read-only' : undefined) ??
    (format !== 'raw' ? `it is ${format}, not raw` : undefined) ??
    (Number.isSafeInteger(sizeBytes) && sizeBytes % PAGE_BYTES === 0
      ? undefined
      : `${sizeBytes} is not a multiple of ${PAGE_BYTES}`) ??
    (sizeBytes < drive.sizeBytes ? `it has ${drive.sizeBytes} bytes, more than ${sizeBytes}` : undefined);
  if (problem !== undefined) {
    throw new AppError(
      'VMM_DRIVE_INVALID',
      `Cannot grow the drive "${serial}" at "${pathOnHost}": ${problem}`,
      { details: { serial, path: pathOnHost } },
    );
  }
  // It has the new size already when an earlier attempt was cut off.
  if ((await sizeOf(pathOnHost)) === sizeBytes) return grown;
  await checkDrives([drive]);
  await reportNoSpace(() => truncate(pathOnHost, sizeBytes), {
    what: `the larger drive "${serial}"`,
    dir: dirname(pathOnHost),
  });
  return grown;
}

/** As `VmDriver.readDrive`. */
export async function readRaw(
  drive: DriveSpec,
  { target, signal }: Abortable & { target: string },
): Promise<void> {
  if (drive.base || drive.format !== 'raw') {
    const { serial, pathOnHost } = drive;
    throw new AppError(
      'VMM_DRIVE_INVALID',
      `Cannot read the drive "${serial}" at "${pathOnHost}": it is not one raw file`,
      { details: { serial, path: pathOnHost } },
    );
  }
  await checkDrives([drive]);
  await reportNoSpace(() => copyDriveFile(drive.pathOnHost, target, { signal }), {
    what: 'a copy of a drive',
    dir: dirname(target),
  });
}

interface NewDrive extends DriveTools {
  dir: string;
  undo: ResourceStack;
  /** the file to begin with; absent: zeros */
  source?: string | undefined;
}

async function workDisk({
  diskSizeBytes: sizeBytes,
  base,
  source,
  ...options
}: NewDrive & { diskSizeBytes: number; base?: DriveBase | undefined }): Promise<DriveSpec> {
  if (base) requireFits(base, sizeBytes);
  const begun = source ?? base?.pathOnHost;
  const drive = await rawDrive('work', { ...options, sizeBytes, source: begun });
  if (begun === undefined) await makeFileSystem(drive.pathOnHost, options);
  return drive;
}

/** A source that is smaller is followed by zeros; its file system grows at the next boot. */
async function rawDrive(
  serial: 'overlay' | 'work',
  { dir, source, undo, sizeBytes, signal }: NewDrive & { sizeBytes: number },
): Promise<DriveSpec> {
  const pathOnHost = join(dir, `${serial}.raw`);
  const make = async (): Promise<void> => {
    signal.throwIfAborted();
    if (source === undefined) await (await open(pathOnHost, 'wx', 0o600)).close();
    else await copyDriveFile(source, pathOnHost, { signal });
    undo.defer(`remove "${pathOnHost}"`, () => rm(pathOnHost, { force: true }));
    // A base is read-only, and the copy has its mode.
    if (source !== undefined) await chmod(pathOnHost, 0o600);
    await truncate(pathOnHost, sizeBytes);
  };
  await reportNoSpace(make, { what: `the drive "${serial}"`, dir });
  return { serial, pathOnHost, format: 'raw', isReadOnly: false, sizeBytes };
}

async function makeFileSystem(path: string, { env, signal }: DriveTools): Promise<void> {
  const mkfs = await requireTool('mkfs.ext4', env);
  // The file is sparse, so inode tables are already zero.
  const extended = 'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=1';
  const argv = [mkfs, '-q', '-F', '-L', 'work', '-m', '0', '-E', extended, path] as const;
  await reportNoSpace(() => exec(argv, { signal, env: toolEnv(env) }), {
    what: 'a blank "work" drive',
    dir: dirname(path),
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  return await stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
}
