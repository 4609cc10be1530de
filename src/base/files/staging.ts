import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { neverAborts, sleep } from '../abort.ts';
import { isErrno } from '../errors.ts';
import { removeUnlessOpen } from './discard.ts';
import { tryLock } from './file-lock.ts';

/** A folder for half-made things; disposing removes it with what is still in it. */
export interface StagingFolder extends AsyncDisposable {
  readonly dir: string;
}

/** How a folder of an area is removed; it may hold files that only root of a namespace can remove. */
export interface StagingOptions {
  removeTree: (dir: string) => Promise<void>;
}

const LOCK_SUFFIX = '.lock';

/** A second altogether. */
const MOST_WAIT_MS = 500;

/**
 * Makes a new folder in `area` (which is made when missing). Its owner holds the lock `<folder>.lock` beside
 * it for as long as it lives, so that {@link sweepStaging} can tell the leftovers of a dead process from work
 * that is under way.
 */
export async function openStaging(area: string, { removeTree }: StagingOptions): Promise<StagingFolder> {
  await mkdir(area, { recursive: true, mode: 0o700 });
  const dir = join(area, randomBytes(8).toString('hex'));
  // Before the folder, so that a sweep never meets a live folder without its lock.
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

  /** A program that was ended may have left others, which write there for a moment more. */
  async function removeSettled(): Promise<void> {
    for (let waitMs = 10; ; waitMs *= 2) {
      try {
        await removeTree(dir);
        return;
      } catch (error) {
        if (!isErrno(error, 'ENOTEMPTY', 'EBUSY')) throw error;
        // What stays is open still (`discard.ts`): a sweep removes it later.
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

/** Removes what processes that died left in `area`; leaves what a living one works on. Idempotent. */
export async function sweepStaging(area: string, { removeTree }: StagingOptions): Promise<void> {
  for (const name of await folderNames(area)) {
    const lockPath = join(area, `${name}${LOCK_SUFFIX}`);
    using held = tryLock(lockPath);
    if (!held) continue;
    if (await removeUnlessOpen(join(area, name), removeTree)) await rm(lockPath, { force: true });
  }
}

/** Paths in `area` that processes which died left; changes nothing that counts. */
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
