import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { abortable } from '../../base/async.ts';
import type { SavedGuest } from '../../core/ports/vmm/saving.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { sparseDigest } from './digest.ts';
import type { SavedFiles } from './layout.ts';
import type { SavedDrive } from './manifest-schema.ts';

/** Unit of `blocks` in stat(2). */
const STAT_BLOCK_BYTES = 512;

/**
 * Disk space that the files of a saved guest take, in `bytes`; `undefined` when the size of one differs from
 * its manifest.
 *
 * @throws errno `ENOENT`, `ENOTDIR` when one is missing.
 */
export async function diskBytesOf(
  files: SavedFiles,
  {
    memoryBytes,
    stateBytes,
    drives,
  }: { memoryBytes: number; stateBytes: number; drives: readonly SavedDrive[] },
): Promise<number | undefined> {
  const sizes = [
    { path: files.memory, bytes: memoryBytes },
    { path: files.state, bytes: stateBytes },
    ...drives.map(({ file, fileBytes }) => ({ path: join(files.dir, file), bytes: fileBytes })),
  ];
  const stats = await Promise.all(sizes.map(({ path }) => stat(path)));
  if (stats.some(({ size }, at) => size !== sizes[at]?.bytes)) return undefined;
  return stats.reduce((sum, { blocks }) => sum + blocks * STAT_BLOCK_BYTES, 0);
}

/** Size and digest of a file. */
export async function describePart(
  path: string,
  options: Abortable,
): Promise<{ bytes: number; digest: string }> {
  return { bytes: (await stat(path)).size, digest: await sparseDigest(path, options) };
}

/** The writable drives, as a manifest describes them. */
export async function describeDrives(drives: readonly DriveSpec[]): Promise<SavedDrive[]> {
  const described: SavedDrive[] = [];
  for (const { serial, pathOnHost, format, sizeBytes, isReadOnly } of drives) {
    if (isReadOnly || (serial !== 'overlay' && serial !== 'work')) continue;
    const fileBytes = (await stat(pathOnHost)).size;
    described.push({ serial, file: basename(pathOnHost), format, sizeBytes, fileBytes });
  }
  return described;
}

/** The drives of a manifest in folder `dir`. */
export function drivesIn(dir: string, drives: readonly SavedDrive[]): DriveSpec[] {
  return drives.map(({ serial, file, format, sizeBytes }) => ({
    serial,
    pathOnHost: join(dir, file),
    format,
    isReadOnly: false,
    sizeBytes,
  }));
}

/**
 * Syncs the files of a saved guest to the disk, before their final name declares them complete. An abort ends
 * the wait even when the disk does not respond.
 */
export async function syncParts(
  { memoryPath, statePath }: SavedGuest,
  drives: readonly DriveSpec[],
  { signal }: Abortable,
): Promise<void> {
  const own = drives.filter(({ isReadOnly }) => !isReadOnly).map(({ pathOnHost }) => pathOnHost);
  for (const path of [memoryPath, statePath, ...own]) {
    signal.throwIfAborted();
    const file = await open(path, 'r');
    const synced = file.sync().finally(() => file.close());
    synced.catch(() => {});
    await abortable(synced, signal);
  }
}
