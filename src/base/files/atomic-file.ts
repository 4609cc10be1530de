import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno } from '../errors.ts';

/**
 * Writes a whole file so that a reader, or a crash at any moment, sees either the old content or the new:
 * temporary file beside it, fsync, rename, fsync of the folder. The file has exactly this `mode`, whatever
 * the umask. Leaves nothing after a failure.
 *
 * With `isDurable: false` it does not wait for the disk: when the program is killed, the file still has one
 * content or the other, but after a power cut it may be empty. That is for files that can be made again.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  { mode = 0o600, isDurable = true }: { mode?: number; isDurable?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.chmod(mode);
      await file.writeFile(content);
      if (isDurable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (isDurable) await syncFolder(dirname(path));
}

/** The text of a whole file; `undefined` when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Makes the content of a file durable, no matter who wrote it. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in `folder` (a rename, a new file) durable. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    await syncFile(folder);
  } catch (error) {
    // Some FUSE file systems cannot sync a folder, and report that.
    if (!isErrno(error, 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) throw error;
  }
}

/**
 * Makes `folder` and everything below it durable. Call it before the rename that gives the folder its final
 * name.
 */
export async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncFile(path);
  }
  await syncFolder(folder);
}
