import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type Abortable, sleep } from '../../base/abort.ts';
import { isErrno } from '../../base/errors.ts';

const POLL_MS = 200;
const CHUNK_BYTES = 64 * 1024;

/**
 * The content of a log file as a stream. With `isFollowed` it continues with what is appended, until `signal`
 * aborts or `isOver` says that nothing more will come. A missing file reads as empty; a file that was cut is
 * read from its start again.
 */
export function followLog(path: string, options: FollowOptions): Readable {
  return Readable.from(chunksOf(path, options), { objectMode: false });
}

/** How a log is read. */
interface FollowOptions extends Abortable {
  isFollowed: boolean;
  /** asked when there is nothing new; default: never */
  isOver?: () => boolean;
}

async function* chunksOf(
  path: string,
  { isFollowed, isOver = () => false, signal }: FollowOptions,
): AsyncGenerator<Buffer, void, undefined> {
  let position = 0;
  for (;;) {
    const chunk = await readAt(path, position);
    if (chunk === 'shrunk') position = 0;
    else if (chunk.length > 0) {
      position += chunk.length;
      yield chunk;
    } else if (isFollowed && !isOver()) await sleep(POLL_MS, { signal });
    else return;
  }
}

async function readAt(path: string, position: number): Promise<Buffer | 'shrunk'> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size < position) return 'shrunk';
    const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return Buffer.alloc(0);
    throw error;
  }
}
