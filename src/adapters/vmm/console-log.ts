import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { isErrno } from '../../base/errors.ts';

/**
 * Cuts a log that has grown beyond `maxBytes` to its newest half. Cuts in place, because the writer keeps the
 * file open (it must append, as VMMs do). The rest starts with a line that says how much was cut, followed by
 * a whole line. Returns the number of bytes cut; 0 when the log is small enough or missing. Loses what the
 * writer appends in the microseconds between the last read and the cut.
 */
export function capLog(path: string, { maxBytes }: { maxBytes: number }): number {
  const fd = openIfThere(path);
  if (fd === undefined) return 0;
  try {
    const { size } = fstatSync(fd);
    if (size <= maxBytes) return 0;
    const newest = wholeLines(readFrom(fd, size - Math.floor(maxBytes / 2)));
    const cutBytes = fstatSync(fd).size - newest.length;
    ftruncateSync(fd, 0);
    writeSync(fd, Buffer.concat([Buffer.from(`[${cutBytes} older bytes cut]\n`), newest]));
    return cutBytes;
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    // O_APPEND here too, so that what the writer adds after the cut stays intact.
    return openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Everything from `position` on, including what is appended meanwhile. */
function readFrom(fd: number, position: number): Buffer {
  const chunks: Buffer[] = [];
  for (let at = position; ; ) {
    const chunk = Buffer.allocUnsafe(256 * 1024);
    const count = readSync(fd, chunk, { position: at });
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    at += count;
  }
}

function wholeLines(bytes: Buffer): Buffer {
  const end = bytes.indexOf(10);
  return end < 0 ? bytes : bytes.subarray(end + 1);
}
