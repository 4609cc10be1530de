import { randomBytes } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno } from '../errors.ts';

/** Start of the names of folders that are given up, and may hold files that are still open. */
export const DISCARDED_PREFIX = '.removed-';

/** Some 0.1 s altogether: a process that has just ended lets go of its files a moment later. */
const RETRIES = { maxRetries: 4, retryDelay: 10 };

/**
 * Gives up the folder `dir`: its name is free when this returns, and what is in it is deleted. NFS and FUSE
 * keep a file that is deleted while it is open under another name in its folder (`.nfs...`,
 * `.fuse_hidden...`), so that the folder cannot be deleted: it then stays beside, with a name that begins
 * with {@link DISCARDED_PREFIX}, for {@link sweepDiscarded}. Idempotent.
 */
export async function discardTree(dir: string): Promise<void> {
  const aside = join(dirname(dir), `${DISCARDED_PREFIX}${randomBytes(6).toString('hex')}`);
  try {
    await rename(dir, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  await removeUnlessOpen(aside);
}

/** Deletes what {@link discardTree} had to leave in `parent`, unless it is still in use. Idempotent. */
export async function sweepDiscarded(parent: string): Promise<void> {
  const names = await readdir(parent).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
  for (const name of names) if (name.startsWith(DISCARDED_PREFIX)) await removeUnlessOpen(join(parent, name));
}

/**
 * Deletes a tree; returns false when a file in it is still open, and the file system keeps its folder for
 * that.
 */
export async function removeUnlessOpen(
  dir: string,
  remove: (dir: string) => Promise<void> = (path) => rm(path, { recursive: true, force: true, ...RETRIES }),
): Promise<boolean> {
  try {
    await remove(dir);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY', 'EBUSY')) return false;
    throw error;
  }
}
