import { randomBytes } from 'node:crypto';
import { open, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isErrno, messageOf } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { readTar } from '../../../base/tar/read-tar.ts';
import { writeContent } from '../../../base/tar/write-content.ts';
import { type CopyLimits, CopyMeter } from './copy-limits.ts';

/** Where and how the file is written. */
export interface ReceiveOptions extends Abortable {
  path: string;
  umask: number;
  limits: CopyLimits;
}

/**
 * Writes the one file of an archive to `path`, or through `path` if that is a symlink. On failure, what is
 * there stays unchanged. Ignores the name in the archive. Returns the size.
 *
 * @throws {AppError} COPY_REFUSED when the archive is anything else than one file, COPY_TOO_LARGE,
 * COPY_FAILED, TAR_DAMAGED.
 */
export async function receiveFile(
  tar: AsyncIterable<Buffer>,
  { path, ...options }: ReceiveOptions,
): Promise<number> {
  try {
    const target = await real(path);
    const part = join(dirname(target), `.banger-${randomBytes(6).toString('hex')}`);
    await using undo = new ResourceStack();
    undo.defer('remove the part', () => rm(part, { force: true }));
    const bytes = await receive(tar, { part, path, ...options });
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
  { part, path, umask, limits, signal }: ReceiveOptions & { part: string },
): Promise<number> {
  const meter = new CopyMeter(limits, path);
  await using file = await open(part, 'wx', 0o600);
  let bytes: number | undefined;
  for await (const { entry, content } of readTar(tar)) {
    if (bytes !== undefined || entry.kind !== 'file') {
      throw new AppError('COPY_REFUSED', 'Cannot copy what the guest sent: it is not one file');
    }
    bytes = entry.sizeBytes;
    const isSparse = entry.isSparse ?? false;
    await writeContent(file, content, { isSparse, onBytes: (count) => meter.addBytes(count), signal });
    await file.chmod(entry.mode & 0o777 & ~umask);
    await file.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  }
  if (bytes === undefined) {
    throw new AppError('COPY_REFUSED', 'Cannot copy what the guest sent: it is empty');
  }
  return bytes;
}

/** Returns where a path leads; the path itself when nothing is there yet. */
async function real(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    return path;
  }
}
