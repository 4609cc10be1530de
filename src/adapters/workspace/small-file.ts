import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { AppError, isErrno } from '../../base/errors.ts';
import { plural } from '../../base/text/words.ts';

/** Pattern files, messages and lists of commits are kilobytes; anything near this limit is something else. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Who chose the path of a file. */
export interface SmallFileOptions {
  /**
   * true for files of the user's own configuration, which may be links; a link inside a repository could name
   * any file
   */
  followLink: boolean;
}

/**
 * The content of a regular file, or `undefined` when there is none that we may read. Never blocks on a fifo.
 *
 * @throws {AppError} WORKSPACE_FILE_TOO_LARGE above 16 MiB
 */
export async function readSmallFile(
  path: string | Buffer,
  { followLink }: SmallFileOptions,
): Promise<Buffer | undefined> {
  await using file = await openRegularFile(path, { followLink });
  if (!file) return undefined;
  const { size } = await file.stat();
  if (size > MAX_BYTES) throw fileTooLarge(path, { size, limit: MAX_BYTES });
  return await file.readFile();
}

/** The refusal of one of git's own files whose `size` exceeds `limit`, in bytes. */
export function fileTooLarge(
  path: string | Buffer,
  { size, limit }: { size: number; limit: number },
): AppError {
  return new AppError('WORKSPACE_FILE_TOO_LARGE', `Cannot send "${path}": it has ${plural(size, 'byte')}`, {
    hint: `the limit is ${plural(limit, 'byte')}; look at what is in it`,
  });
}

/**
 * The last `bytes` of a regular file that is not a link, or `undefined` when there is none that we may read.
 */
export async function readLastBytes(path: string, { bytes }: { bytes: number }): Promise<Buffer | undefined> {
  await using file = await openRegularFile(path, { followLink: false });
  if (!file) return undefined;
  const { size } = await file.stat();
  if (size === 0) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read({
    buffer: Buffer.alloc(Math.min(bytes, size)),
    position: Math.max(0, size - bytes),
  });
  return buffer.subarray(0, bytesRead);
}

/**
 * Opens a regular file for reading; `undefined` when there is none that we may read. Never blocks on a fifo.
 */
export async function openRegularFile(
  path: string | Buffer,
  { followLink }: SmallFileOptions,
): Promise<FileHandle | undefined> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (followLink ? 0 : constants.O_NOFOLLOW);
  try {
    const file = await open(path, flags);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}
