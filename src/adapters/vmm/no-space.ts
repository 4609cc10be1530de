import { statfs } from 'node:fs/promises';
import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { formatSize } from '../../base/size.ts';

/** With less than this left, a tool that failed did so for want of space: tools report it in words only. */
const NEARLY_FULL_BYTES = 1024 * 1024;

/**
 * Runs `work`, which writes a file in `dir`, and turns its failures for want of space into HOST_NO_SPACE.
 *
 * @throws {AppError} HOST_NO_SPACE with `path`, `freeBytes` and `neededBytes` in its details; what `work` throws.
 */
export async function reportNoSpace<T>(
  work: () => Promise<T>,
  { what, dir, neededBytes }: { what: string; dir: string; neededBytes?: number },
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const freeBytes = await freeIn(dir);
    const isToolFailure = isAppError(error, 'EXEC_FAILED') && freeBytes < NEARLY_FULL_BYTES;
    if (!isToolFailure && !isErrno(error, 'ENOSPC', 'EDQUOT') && !isFullLock(error)) throw error;
    throw new AppError(
      'HOST_NO_SPACE',
      `Cannot make ${what} in "${dir}": ${formatSize(freeBytes)} are free`,
      {
        hint: 'free some space, for example delete VMs that you do not need: banger vm list',
        details: { path: dir, freeBytes, ...(neededBytes === undefined ? {} : { neededBytes }) },
        cause: error,
      },
    );
  }
}

/** SQLite's result code 13, SQLITE_FULL: the lock file of base/file-lock.ts could not be written. */
function isFullLock(error: unknown): boolean {
  return isErrno(error, 'ERR_SQLITE_ERROR') && 'errcode' in error && error.errcode === 13;
}

async function freeIn(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
