import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { neverAborts, sleep } from '../abort.ts';
import { isErrno } from '../errors.ts';
import { removeUnlessOpen } from './discard.ts';
import { tryLock } from './file-lock.ts';

/** A folder for unfinished things; disposing removes it and what is still in it. */
export interface StagingFolder extends AsyncDisposable {
  readonly dir: string;
}

/** How a folder in the area is removed; it may contain files that only root of a namespace can remove. */
export interface StagingOptions {
  removeTree: (dir: string) => Promise<void>;
}

const LOCK_SUFFIX = '.lock';

/** A second in total. */
const MOST_WAIT_MS = 500;

/**
 * Creates a new folder in `area` (created when missing). Its owner holds the lock `<folder>.lock` beside it
 * for its whole life, so that {@link sweepStaging} can distinguish leftovers of a dead process from work in
 * progress.
 */
export async function openStaging(area: string, { removeTree }: StagingOptions): Promise<StagingFolder> {
  await mkdir(area, { recursive: true, mode: 0o700 });
  const dir = join(area, randomBytes(8).toString('hex'));
  // Before the folder, so that a sweep never finds a live folder without its lock.
  const held = tryLock(`${dir}${LOCK_SUFFIX}`);
  try {
    await mkdir(dir, { mode: 0o700 });
  } catch (error) {
    await release();
    throw error;
  }
  return {
    dir,
    [Symbol.asyncDispose]: async () => {
      await removeSettled();
      await release();
    },
  };

  /** An ended program may have left others, which keep writing there for a moment. */
  async function removeSettled(): Promise<void> {
    for (let waitMs = 10; ; waitMs *= 2) {
      try {
        await removeTree(dir);
        return;
      } catch (error) {
        if (!isErrno(error, 'ENOTEMPTY', 'EBUSY')) throw error;
        // What remains is still open (`discard.ts`); a later sweep removes it.
        if (waitMs > MOST_WAIT_MS) return;
        await sleep(waitMs, { signal: neverAborts() });
      }
    }
  }

  async function release(): Promise<void> {
    await rm(`${dir}${LOCK_SUFFIX}`, { force: true });
    held?.[Symbol.dispose]();
  }
}

/** Removes what dead processes left in `area`, and leaves what a living one works on. Idempotent. */
export async function sweepStaging(area: string, { removeTree }: StagingOptions): Promise<void> {
  for (const name of await folderNames(area)) {
    const lockPath = join(area, `${name}${LOCK_SUFFIX}`);
    using held = tryLock(lockPath);
    if (!held) continue;
    if (await removeUnlessOpen(join(area, name), removeTree)) await rm(lockPath, { force: true });
  }
}

/** Paths in `area` that dead processes left; changes nothing relevant. */
export async function listStaleStaging(area: string): Promise<string[]> {
  const stale: string[] = [];
  for (const name of await folderNames(area)) {
    const lockPath = join(area, `${name}${LOCK_SUFFIX}`);
    using held = tryLock(lockPath);
    if (held) stale.push(join(area, name));
  }
  return stale;
}

async function folderNames(area: string): Promise<Set<string>> {
  try {
    const entries = await readdir(area);
    return new Set(entries.map((entry) => entry.replace(/\.lock(-journal)?$/, '')));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return new Set();
    throw error;
  }
}
