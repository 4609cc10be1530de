import { lstat, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Abortable, sleep } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { copyIfThere } from '../../../base/files/copy-if-there.ts';
import { bytePath } from '../byte-path.ts';
import { type ChangedFile, parseRawDiff, RAW_DIFF } from '../git/tracked-files.ts';
import type { WorkspaceWork } from '../workspace-work.ts';
import { type IndexedStat, indexedStat, readIndexStats, withIndexStats } from './index-file.ts';
import { isFileOfPointer } from './lfs-pointer.ts';
import { readPointers } from './read-pointers.ts';

/** Seconds from 1970 that no file has as its time, and that every file system can store. */
const FUTURE_S = 0x7fff_ffff;

/** What the user's index says of its files; for {@link keepFilteredClean}. */
export type StatsBefore = ReadonlyMap<string, IndexedStat>;

/**
 * Reads what the index says of its files, before it is refreshed: git drops the size of a file that is as new
 * as the index and that, without its filter, looks changed.
 */
export async function readStatsBefore(
  { staged, folder }: WorkspaceWork,
  { signal }: Abortable,
): Promise<StatsBefore> {
  const copy = join(folder, 'index-before');
  await copyIfThere(join(staged.gitDir, 'index'), copy);
  // All files are older than this index, so git believes what it says, and keeps it.
  await utimes(copy, FUTURE_S, FUTURE_S);
  await staged.git.run(['update-index', '--no-split-index', '--force-write-index'], {
    signal,
    env: { GIT_INDEX_FILE: copy },
  });
  return readIndexStats(await readFile(copy), hashOf(staged));
}

/**
 * Makes git, here and in the guest, see those of the filtered files as unchanged that are: we run no filter,
 * and without it git takes a file for changed when it has to read it. A file is unchanged if it has the size
 * and times, to the nanosecond, that the user's git saw when it last looked at it, or if it is the file that
 * a Git LFS pointer stands for. Needs the refreshed index.
 */
export async function keepFilteredClean(
  work: WorkspaceWork,
  options: Abortable & { filtered: readonly string[]; before: StatsBefore },
): Promise<void> {
  const { staged } = work;
  const { filtered, before, signal } = options;
  const isFiltered = new Set(filtered);
  const { stdout } = await staged.git.run(RAW_DIFF, { signal });
  const changed = parseRawDiff(stdout).changed.filter(({ path }) => isFiltered.has(path));
  if (changed.length === 0) return;
  const clean = await findClean(work, { changed, before, signal });
  if (clean.size === 0) return;
  await waitUntilOlder(clean, { signal });
  const index = join(staged.gitDir, 'index');
  // A new file, because git compares the time of the index with those of the files.
  await writeFile(`${index}.clean`, withIndexStats(await readFile(index), clean, hashOf(staged)));
  await rename(`${index}.clean`, index);
}

async function findClean(
  work: WorkspaceWork,
  { changed, before, signal }: Abortable & { changed: readonly ChangedFile[]; before: StatsBefore },
): Promise<Map<string, IndexedStat>> {
  const { root } = work.repository;
  const clean = new Map<string, IndexedStat>();
  const unknown: (ChangedFile & { stat: IndexedStat })[] = [];
  for (const file of changed) {
    const stat = await statOf(root, file);
    if (stat && isDeepStrictEqual(stat, before.get(file.path))) clean.set(file.path, stat);
    else if (stat) unknown.push({ ...file, stat });
  }
  const objects = unknown.map(({ object }) => object);
  const pointers = await readPointers(work.staged.git, objects, { signal });
  for (const { path, object, stat } of unknown) {
    const pointer = pointers.get(object);
    if (pointer && (await isFileOfPointer({ root, path, pointer }, { signal }))) clean.set(path, stat);
  }
  return clean;
}

/** What an index would remember of a file; `undefined` when it is none, or its executable bit was changed. */
async function statOf(root: string, { path, mode, modeNow }: ChangedFile): Promise<IndexedStat | undefined> {
  if (mode !== modeNow) return undefined;
  try {
    const info = await lstat(bytePath(root, path), { bigint: true });
    return info.isFile() ? indexedStat(info) : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

/** `ms` by which the kernel's times of files may lag behind the clock. */
const CLOCK_LAG_MS = 20;

/**
 * Waits, at most a second, until all files are older than an index that is written then: git reads a file
 * that is as new as the index.
 */
async function waitUntilOlder(files: ReadonlyMap<string, IndexedStat>, { signal }: Abortable): Promise<void> {
  const newest = Math.max(...[...files.values()].map(({ mtime }) => mtime));
  const leftMs = (newest + 1) * 1000 + CLOCK_LAG_MS - Date.now();
  if (leftMs > 0 && leftMs <= 1000 + CLOCK_LAG_MS) await sleep(leftMs, { signal });
}

function hashOf({ nullObject }: WorkspaceWork['staged']): { hashBytes: number } {
  return { hashBytes: nullObject.length / 2 };
}
