import type { FileHandle } from 'node:fs/promises';
import type { Abortable } from '../abort.ts';

/** Size and alignment of a hole: a page, which is also the block size of most file systems. */
const HOLE_BYTES = 4096;

/**
 * Writes a content into the empty file of a {@link FileHandle}. With `isSparse`, blocks of zeros become
 * holes. Calls `onBytes` with a count before writing that many bytes; it may throw to stop. Returns the size.
 */
export async function writeContent(
  file: FileHandle,
  content: AsyncIterable<Buffer>,
  { isSparse, onBytes, signal }: Abortable & { isSparse: boolean; onBytes?: (count: number) => void },
): Promise<number> {
  let size = 0;
  for await (const chunk of content) {
    signal.throwIfAborted();
    onBytes?.(chunk.length);
    for (const [start, end] of isSparse ? dataIn(chunk, size) : [[0, chunk.length] as const]) {
      for (let at = start; at < end; ) {
        at += (await file.write(chunk, at, end - at, size + at)).bytesWritten;
      }
    }
    size += chunk.length;
  }
  if (isSparse) await file.truncate(size);
  return size;
}

/**
 * The parts of `chunk`, at `offset` in its file, that are not whole blocks of zeros, with the start and end
 * of each. A block that is only partly in the chunk is judged by that part.
 */
function* dataIn(chunk: Buffer, offset: number): Generator<readonly [start: number, end: number]> {
  let start = -1;
  for (let at = 0; at < chunk.length; ) {
    const end = Math.min(chunk.length, at + HOLE_BYTES - ((offset + at) % HOLE_BYTES));
    if (isZero(chunk.subarray(at, end))) {
      if (start >= 0) yield [start, at];
      start = -1;
    } else if (start < 0) start = at;
    at = end;
  }
  if (start >= 0) yield [start, chunk.length];
}

const ZEROS = Buffer.alloc(HOLE_BYTES);

function isZero(block: Buffer): boolean {
  return block.equals(ZEROS.subarray(0, block.length));
}
