import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaptureRequest, SavedGuest } from '../../../src/core/ports/vmm/saving.ts';
import type { DriveSpec, VmSpec } from '../../../src/core/ports/vmm/spec.ts';

/** The files of a saved guest in `dir`. */
export function filesIn(dir: string, name: string): SavedGuest {
  return { memoryPath: join(dir, `${name}.memory`), statePath: join(dir, `${name}.state`) };
}

/** The files for a copy of the VM. */
export function captureRequest(
  { spec, vmDir }: { spec: VmSpec; vmDir: string },
  name: string,
): CaptureRequest {
  const drives = (['overlay', 'work'] as const).map((serial) => ({
    serial,
    pathOnHost: join(vmDir, `${name}-${serial}.qcow2`),
  }));
  return { spec, to: filesIn(vmDir, name), drives };
}

/** All files that such a copy has. */
export function filesOf({ to, drives }: CaptureRequest): string[] {
  return [to.memoryPath, to.statePath, ...drives.map(({ pathOnHost }) => pathOnHost)];
}

/** The drives of a VM with the copies in their places. */
export function drivesOf({ drives }: VmSpec, request: CaptureRequest): DriveSpec[] {
  return drives.map((drive) => {
    const copy = request.drives.find(({ serial }) => serial === drive.serial);
    return copy ? { ...drive, pathOnHost: copy.pathOnHost } : drive;
  });
}

/** A hash of a file's content. */
export async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Truncates a file. */
export async function cut(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.truncate(bytes);
}
