import { randomBytes } from 'node:crypto';
import { open, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno, messageOf } from '../../base/errors.ts';
import { ResourceStack } from '../../base/resource-stack.ts';
import { readTar } from '../../base/tar/read-tar.ts';

/**
 * Makes the one file of an archive the file `path`, through a symlink when that is one, or leaves what is there as it is. Its name in the archive does
 * not count. Gives its size.
 *
 * @throws {AppError} COPY_REFUSED when the archive is something else, COPY_FAILED, TAR_DAMAGED.
 */
export async function receiveFile(
  tar: AsyncIterable<Buffer>,
  { path, umask, signal }: Abortable & { path: string; umask: number },
): Promise<number> {
  try {
    const target = await real(path);
    const part = join(dirname(target), `.banger-${randomBytes(6).toString('hex')}`);
    await using undo = new ResourceStack();
    undo.defer('remove the part', () => rm(part, { force: true }));
    const bytes = await receive(tar, { part, umask, signal });
    await rename(part, target);
    undo.move();
    return bytes;
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new AppError('COPY_FAILED', `Cannot write "${path}": ${messageOf(error)}`, { cause: error });
  }
}

async function receive(
  tar: AsyncIterable<Buffer>,
  { part, umask, signal }: Abortable & { part: string; umask: number },
): Promise<number> {
  await using file = await open(part, 'wx', 0o600);
  let bytes: number | undefined;
  for await (const { entry, content } of readTar(tar)) {
    if (bytes !== undefined || entry.kind !== 'file') {
      throw new AppError('COPY_REFUSED', 'Cannot take what the guest sent: it is not one file');
    }
    bytes = entry.sizeBytes;
    for await (const chunk of content) {
      signal.throwIfAborted();
      await file.writeFile(chunk);
    }
    await file.chmod(entry.mode & 0o777 & ~umask);
    await file.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  }
  if (bytes === undefined) {
    throw new AppError('COPY_REFUSED', 'Cannot take what the guest sent: it is empty');
  }
  return bytes;
}

/** Where a path leads; itself when nothing is there yet. */
async function real(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    return path;
  }
}
