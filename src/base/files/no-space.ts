import { statfs } from 'node:fs/promises';
import { AppError, isAbort, isErrno } from '../errors.ts';
import { formatSize } from '../text/size.ts';

/**
 * With less free space than this, a program's failure counts as a lack of space: programs report that only in
 * words, or are killed by it.
 */
const NEARLY_FULL_BYTES = 1024 * 1024;

/** Where space was needed, and for what. */
export interface SpaceRequest {
  /** "the drive ..." */
  what: string;
  dir: string;
  neededBytes?: number;
}

/**
 * Runs `work`, which writes in `dir`, and turns its failures for lack of space into HOST_NO_SPACE. Call it
 * while everything that `work` has written still exists, because it checks how full the file system is.
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
 * Refuses work that needs `neededBytes` in `dir` when there are fewer.
 *
 * @throws {AppError} HOST_NO_SPACE, with the same details.
 */
export async function requireSpace(request: SpaceRequest & { neededBytes: number }): Promise<void> {
  const freeBytes = await freeIn(request.dir);
  if (freeBytes < request.neededBytes) throw noSpace(request, { freeBytes });
}

/**
 * Refuses the files that a program has written in `dir` without reporting write errors (a VMM that closes a
 * drive, for example) when the file system is full: they may be incomplete.
 *
 * @throws {AppError} HOST_NO_SPACE, with the same details.
 */
export async function requireNotFull(request: SpaceRequest): Promise<void> {
  await requireSpace({ ...request, neededBytes: NEARLY_FULL_BYTES });
}

/**
 * SQLite's result codes SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: no room for the index of the log, which every
 * process that opens a database creates.
 */
const FULL_DATABASE = [13, 4874];

/** True when a database could not be opened or written for lack of space. */
export function isFullDatabase(error: unknown): boolean {
  return (
    isErrno(error, 'ERR_SQLITE_ERROR') && 'errcode' in error && FULL_DATABASE.includes(Number(error.errcode))
  );
}

/** The error of a file system that has no room for something. */
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
 * When no size is known, a disk that still has free space has run out of something else: inodes, or a quota.
 */
function freeText({
  freeBytes,
  neededBytes,
}: {
  freeBytes: number | undefined;
  neededBytes: number | undefined;
}): string {
  if (freeBytes === undefined) return 'no space left';
  if (neededBytes === undefined && freeBytes >= NEARLY_FULL_BYTES)
    return 'no file can be added or grow there';
  return `${formatSize(freeBytes)} are free`;
}

async function freeIn(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
