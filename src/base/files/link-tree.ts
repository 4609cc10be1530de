import type { Dirent } from 'node:fs';
import { constants, copyFile, link, mkdir, readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';

/**
 * Makes `to` a folder with everything that is in the folder `from`, which contains only files and folders;
 * does nothing when there is nothing at `from`. Both share the files, so nobody may write to them; where the
 * file system cannot share them, they are copied, with their times. What is already at `to` stays.
 */
export async function linkTree(from: string, to: string): Promise<void> {
  const entries = await list(from);
  if (!entries) return;
  await mkdir(to, { recursive: true });
  await Promise.all(
    entries.map(async (entry) => {
      const [source, target] = [join(from, entry.name), join(to, entry.name)];
      if (entry.isDirectory()) await linkTree(source, target);
      else await linkFile(source, target);
    }),
  );
}

/** Like {@link linkTree}, of one file. */
export async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EEXIST')) return;
    if (!isErrno(error, 'EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP', 'ENOSYS')) throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    const { atime, mtime } = await stat(from);
    await utimes(to, atime, mtime);
  }
}

async function list(folder: string): Promise<Dirent[] | undefined> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
