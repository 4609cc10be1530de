import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { isErrno } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files/atomic-file.ts';
import type { SavedGuest } from '../../core/ports/vmm/saving.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { sparseDigest } from './digest.ts';
import type { SavedFiles } from './layout.ts';
import type { SavedDrive } from './manifest-schema.ts';
import { describeDrives, diskBytesOf, drivesIn, syncParts } from './parts.ts';

/** `ms` to read some 100 KB of device state. */
const STATE_DEADLINE_MS = 60_000;

/** How folders of saved guests are staged. */
export const savedStaging = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/** What every manifest of a saved guest says. */
interface Manifest {
  state: { bytes: number; digest: string };
  drives: readonly SavedDrive[];
}

/** A saved guest and its drives, as they are in a folder. */
export interface SavedParts {
  saved: SavedGuest;
  drives: readonly DriveSpec[];
  /** what the files take on disk */
  diskBytes: number;
  /** when the manifest was written or touched */
  touchedAt: Date;
}

/**
 * Makes the folder of a saved guest. `work` writes the guest and its drives there and returns the drives; the
 * manifest comes last, when all of them are durable. A failure or an abort leaves the folder to the caller.
 */
export async function writeSavedFolder(
  files: SavedFiles,
  {
    work,
    describe,
    signal,
  }: Abortable & {
    work: (place: { dir: string; saved: SavedGuest }) => Promise<readonly DriveSpec[]>;
    describe: (drives: SavedDrive[]) => Promise<Manifest>;
  },
): Promise<void> {
  await mkdir(files.dir, { mode: 0o700 });
  const saved = savedGuestIn(files);
  const drives = await work({ dir: files.dir, saved });
  await syncParts(saved, drives, { signal });
  const manifest = await describe(await describeDrives(drives));
  await writeFileAtomic(files.manifest, `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Reads the folder of a saved guest; returns `undefined` when it is missing, has no manifest that `parse`
 * accepts, or a file has another size than the manifest says.
 */
export async function readSavedFolder<M extends Manifest>(
  files: SavedFiles,
  {
    parse,
    memoryBytesOf,
  }: { parse: (text: string) => M | undefined; memoryBytesOf: (manifest: M) => number },
): Promise<{ manifest: M; parts: SavedParts } | undefined> {
  try {
    const manifest = parse(await readFile(files.manifest, 'utf8'));
    if (!manifest) return undefined;
    const sizes = { memoryBytes: memoryBytesOf(manifest), stateBytes: manifest.state.bytes };
    const diskBytes = await diskBytesOf(files, { ...sizes, drives: manifest.drives });
    if (diskBytes === undefined) return undefined;
    const { mtime: touchedAt } = await stat(files.manifest);
    const drives = drivesIn(files.dir, manifest.drives);
    return { manifest, parts: { saved: savedGuestIn(files), drives, diskBytes, touchedAt } };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Whether the device state is what the manifest says. */
export async function isStateWhole(files: SavedFiles, { state }: Manifest): Promise<boolean> {
  const digest = await sparseDigest(files.state, { signal: AbortSignal.timeout(STATE_DEADLINE_MS) });
  return digest === state.digest;
}

function savedGuestIn(files: SavedFiles): SavedGuest {
  return { memoryPath: files.memory, statePath: files.state };
}
