import { createHash } from 'node:crypto';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isErrno } from '../errors.ts';
import { isThere, readdirIfThere } from './if-there.ts';

/*
 * Who needs a thing of a store: links to their folders, in a folder of the thing. A hold ends with the folder
 * of its holder, so no crash can leave one behind.
 *
 *     <holdersDir>/<hash> -> the holder's folder
 */

/** Keeps what `holdersDir` belongs to for as long as the folder `holderDir` exists. Idempotent. */
export async function addHolder(holdersDir: string, holderDir: string): Promise<void> {
  // A relative link would be resolved inside the store and look like a deleted folder.
  const target = resolve(holderDir);
  const name = createHash('sha256').update(target).digest('hex').slice(0, 16);
  await mkdir(holdersDir, { recursive: true, mode: 0o755 });
  try {
    await symlink(target, join(holdersDir, name));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}

/** Removes links in `holdersDir` whose folders no longer exist; returns true when a valid one remains. */
export async function hasLiveHolder(holdersDir: string): Promise<boolean> {
  let isHeld = false;
  for (const name of await readdirIfThere(holdersDir)) {
    const path = join(holdersDir, name);
    if (await isThere(path)) isHeld = true;
    else await rm(path, { force: true });
  }
  return isHeld;
}
