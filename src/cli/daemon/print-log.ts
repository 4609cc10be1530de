import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type Abortable, sleep } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import type { Sink } from '../context/output.ts';

const DEFAULT_LINE_COUNT = 200;

/** `bytes` that are read at once. */
const CHUNK_BYTES = 64 * 1024;

/** `ms` between two looks whether the file has grown. */
const FOLLOW_MS = 200;

/** How a log is printed. */
export interface PrintLogOptions extends Abortable {
  lineCount: number;
  isFollowed: boolean;
  sink: Sink;
}

/** The value of `--lines`. @throws {AppError} USAGE_OPTION_VALUE when it is no whole number */
export function lineCountOf(given: string | undefined): number {
  if (given === undefined) return DEFAULT_LINE_COUNT;
  if (/^[0-9]{1,9}$/.test(given)) return Number(given);
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${given}" for --lines: it is not a whole number`, {
    hint: '--lines takes a whole number, for example 50',
    details: { field: 'lines', value: given },
  });
}

/**
 * Prints the last lines of a log file, and what is added to it when followed, across rotations. A file that
 * is missing has no lines.
 */
export async function printLog(path: string, options: PrintLogOptions): Promise<void> {
  let at = 0;
  let inode: number | undefined;
  for (let isFirst = true; ; isFirst = false) {
    const found = await copyNew(path, { at, inode, isFirst, options });
    at = found.at;
    inode = found.inode;
    if (!options.isFollowed) return;
    await sleep(FOLLOW_MS, options);
  }
}

interface Position {
  at: number;
  inode: number | undefined;
}

async function copyNew(
  path: string,
  { at, inode, isFirst, options }: Position & { isFirst: boolean; options: PrintLogOptions },
): Promise<Position> {
  const found = await statOrNothing(path);
  if (!found) return { at: 0, inode: undefined };
  const isOther = inode !== undefined && (found.ino !== inode || found.size < at);
  if (!isFirst && !isOther && found.size === at) return { at, inode };
  await using file = await open(path, constants.O_RDONLY);
  let from = isOther ? 0 : at;
  if (isFirst) from = await startOfLastLines(file, { size: found.size, lineCount: options.lineCount });
  const buffer = Buffer.alloc(CHUNK_BYTES);
  while (from < found.size) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK_BYTES, found.size - from), from);
    if (bytesRead === 0) break;
    // A copy: the sink may still hold it when the next chunk is read.
    await options.sink.write(Buffer.from(buffer.subarray(0, bytesRead)), options);
    from += bytesRead;
  }
  return { at: from, inode: found.ino };
}

/** Where the last `lineCount` lines begin; looks from the end, a chunk at a time. */
async function startOfLastLines(
  file: FileHandle,
  { size, lineCount }: { size: number; lineCount: number },
): Promise<number> {
  if (lineCount === 0) return size;
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let seen = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    for (let i = bytesRead - 1; i >= 0; i -= 1) {
      // The line feed that ends the last line begins none.
      if (buffer[i] !== 10 || start + i === size - 1) continue;
      seen += 1;
      if (seen === lineCount) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

async function statOrNothing(path: string): Promise<{ size: number; ino: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
