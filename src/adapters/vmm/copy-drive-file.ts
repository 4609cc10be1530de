import { constants } from 'node:fs';
import { copyFile, open, rm, stat } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { isErrno } from '../../base/errors.ts';

/** Largest file, in `bytes`, that the kernel copies in one call, which nothing can interrupt. */
const ONE_CALL_BYTES = 32 * 2 ** 20;

/** `bytes` copied between two checks of the signal. */
const CHUNK_BYTES = 4 * 2 ** 20;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/**
 * Copies a drive's file to the new file `target`; shares the blocks where the file system can. A long copy
 * ends soon after an abort. Leaves nothing after a failure or an abort.
 *
 * @throws errno `EEXIST`
 */
export async function copyDriveFile(source: string, target: string, { signal }: Abortable): Promise<void> {
  signal.throwIfAborted();
  const { size } = await stat(source);
  try {
    if (size <= ONE_CALL_BYTES) {
      return await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    }
    if (!(await clone(source, target))) await copyChunks(source, target, { signal });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) await rm(target, { force: true });
    throw error;
  }
}

/** Returns false when the file system cannot share blocks between these two files. */
async function clone(source: string, target: string): Promise<boolean> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    // ioctl_ficlone(2): each of these means that sharing is not possible here.
    if (isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EPERM')) return false;
    throw error;
  }
}

/** Chunks that are all zeros become holes. */
async function copyChunks(source: string, target: string, { signal }: Abortable): Promise<void> {
  await using from = await open(source, 'r');
  await using to = await open(target, 'wx', (await from.stat()).mode & 0o777);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; ; ) {
    signal.throwIfAborted();
    const { bytesRead } = await from.read(chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return await to.truncate(at);
    const isHole = chunk.subarray(0, bytesRead).equals(ZEROS.subarray(0, bytesRead));
    if (!isHole) await writeAll(chunk.subarray(0, bytesRead), at);
    at += bytesRead;
  }

  async function writeAll(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await to.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}
