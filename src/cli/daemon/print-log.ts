import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type Abortable, sleep } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import type { Sink } from '../context/output.ts';

const DEFAULT_LINE_COUNT = 200;

/** Size of one read, in `bytes`. */
const CHUNK_BYTES = 64 * 1024;

/** Interval between checks for new lines, in `ms`. */
const FOLLOW_MS = 200;

/** How a log is printed. */
export interface PrintLogOptions extends Abortable {
  lineCount: number;
  isFollowed: boolean;
  sink: Sink;
}

/** Returns the value of `--lines`. @throws {AppError} USAGE_OPTION_VALUE when it is not a whole number */
export function lineCountOf(given: string | undefined): number {
  if (given === undefined) return DEFAULT_LINE_COUNT;
  if (/^[0-9]{1,9}$/.test(given)) return Number(given);
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${given}" for --lines: it is not a whole number`, {
    hint: '--lines takes a whole number, for example 50',
    details: { field: 'lines', value: given },
  });
}

/**
 * Prints the last lines of a log file. With `follow`, also prints new lines, across rotations. A missing file
 * has no lines.
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
    // Copies the chunk, because the sink may still hold it when the next one is read.
    await options.sink.write(Buffer.from(buffer.subarray(0, bytesRead)), options);
    from += bytesRead;
  }
  return { at: from, inode: found.ino };
}

/** Returns the offset of the last `lineCount` lines; searches from the end, one chunk at a time. */
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
      // The final line feed does not begin another line.
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
