import { statfs } from 'node:fs/promises';
import { AppError, isAbort, isErrno } from '../errors.ts';
import { formatSize } from '../text/size.ts';

/**
 * With less than this left, other programs that failed did so for want of space: they say so in words only,
 * or are killed by it.
 */
const NEARLY_FULL_BYTES = 1024 * 1024;

/** Where space was wanted, and what for. */
export interface SpaceRequest {
  /** "the drive ..." */
  what: string;
  dir: string;
  neededBytes?: number;
}

/**
 * Runs `work`, which writes in `dir`, and turns its failures for want of space into HOST_NO_SPACE. To be
 * called where what `work` has written so far is still there: it is looked how full the file system is.
 *
 * @throws {AppError} HOST_NO_SPACE with `path`, `freeBytes` and `neededBytes` in its details; what `work`
 * throws.
 */
export async function reportNoSpace<T>(work: () => Promise<T>, request: SpaceRequest): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const freeBytes = await freeIn(request.dir);
    const isLikely = error instanceof AppError && !isAbort(error) && freeBytes < NEARLY_FULL_BYTES;
    if (!isLikely && !isErrno(error, 'ENOSPC', 'EDQUOT') && !isFullDatabase(error)) throw error;
    throw noSpace(request, { freeBytes, cause: error });
  }
}

/**
 * Refuses work that needs `neededBytes` in `dir` where there are fewer.
 *
 * @throws {AppError} HOST_NO_SPACE, with the same details.
 */
export async function requireSpace(request: SpaceRequest & { neededBytes: number }): Promise<void> {
  const freeBytes = await freeIn(request.dir);
  if (freeBytes < request.neededBytes) throw noSpace(request, { freeBytes });
}

/**
 * Refuses what a program has written in `dir` without telling whether all of it found room, as a VMM that
 * closes a drive does: on a file system that is full it may not have.
 *
 * @throws {AppError} HOST_NO_SPACE, with the same details.
 */
export async function requireNotFull(request: SpaceRequest): Promise<void> {
  await requireSpace({ ...request, neededBytes: NEARLY_FULL_BYTES });
}

/**
 * SQLite's result codes SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: no room for the index of the log, which every
 * process that opens a database makes.
 */
const FULL_DATABASE = [13, 4874];

/** True when a database could not be opened or written for want of space. */
export function isFullDatabase(error: unknown): boolean {
  return (
    isErrno(error, 'ERR_SQLITE_ERROR') && 'errcode' in error && FULL_DATABASE.includes(Number(error.errcode))
  );
}

/** The error of a file system with no room for something. */
export function noSpace(
  { what, dir, neededBytes }: SpaceRequest,
  { freeBytes, cause }: { freeBytes?: number; cause?: unknown },
): AppError {
  const free = freeText({ freeBytes, neededBytes });
  const needed = neededBytes === undefined ? '' : `, ${formatSize(neededBytes)} are needed`;
  return new AppError('HOST_NO_SPACE', `Cannot make ${what} in "${dir}": ${free}${needed}`, {
    hint: 'free some space there, then try again',
    details: {
      path: dir,
      ...(freeBytes === undefined ? {} : { freeBytes }),
      ...(neededBytes === undefined ? {} : { neededBytes }),
    },
    cause,
  });
}

/**
 * Without a size that is wanted, a disk with room for it has run out of something else: inodes, or a quota.
 */
function freeText({
  freeBytes,
  neededBytes,
}: {
  freeBytes: number | undefined;
  neededBytes: number | undefined;
}): string {
  if (freeBytes === undefined) return 'no space is left';
  if (neededBytes === undefined && freeBytes >= NEARLY_FULL_BYTES)
    return 'no file may be added or grow there any more';
  return `${formatSize(freeBytes)} are free`;
}

async function freeIn(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
