import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno } from '../errors.ts';
import { readdirIfThere } from './if-there.ts';

/** Prefix of the names of discarded folders, which may still contain open files. */
export const DISCARDED_PREFIX = '.removed-';

/** About 0.1 s in total: a process that has just ended closes its files a moment later. */
const RETRIES = { maxRetries: 4, retryDelay: 10 };

/**
 * Discards the folder `dir`: when this returns, its name is free and its content is deleted. NFS and FUSE
 * rename a file that is deleted while it is open (`.nfs...`, `.fuse_hidden...`), so that its folder cannot be
 * deleted. Such a folder stays beside it under a name that begins with {@link DISCARDED_PREFIX}, for {@link
 * sweepDiscarded}. Idempotent.
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

/** Deletes what {@link discardTree} had to leave in `parent`, except what is still in use. Idempotent. */
export async function sweepDiscarded(parent: string): Promise<void> {
  for (const name of await readdirIfThere(parent))
    if (name.startsWith(DISCARDED_PREFIX)) await removeUnlessOpen(join(parent, name));
}

/** Deletes a tree; returns false when the file system keeps a folder because a file in it is still open. */
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
