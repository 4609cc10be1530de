import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { printable } from '../base/errors.ts';

/** Most of a log that is looked at for its last lines, in `bytes`. */
const TAIL_BYTES = 16 * 1024;

/** What Node adds to an error that nobody caught, and that says nothing. */
const NODE_TRACE = /^ +at |^Node\.js v|^ *\^/;

/** A log file opened for a child's output, and what was already in it. */
export interface OpenLog extends Disposable {
  fd: number;
  /** lines written since it was opened, the last `count` of them, printable */
  newLines(count: number): string[];
}

/** Opens `path` to append to it, made with mode 0600 when missing. */
export function openLog(path: string): OpenLog {
  const fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
  const startBytes = fstatSync(fd).size;
  let isOpen = true;
  return {
    fd,
    newLines(count) {
      const size = fstatSync(fd).size;
      // A rotated log is shorter than before: then all of it is new.
      const from = Math.max(size < startBytes ? 0 : startBytes, size - TAIL_BYTES);
      const buffer = Buffer.alloc(size - from);
      const read = readSync(fd, buffer, 0, buffer.length, from);
      const lines = buffer
        .toString('utf8', 0, read)
        .split('\n')
        .filter((line) => line.trim() !== '' && !NODE_TRACE.test(line));
      return lines.slice(-count).map((line) => printable(messageOfLine(line)));
    },
    [Symbol.dispose]() {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}

/** The message of a structured log line, with its error's; anything else as it is. */
function messageOfLine(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { msg, error } = JSON.parse(line) as { msg?: unknown; error?: { message?: unknown } };
    if (typeof msg !== 'string') return line;
    return typeof error?.message === 'string' ? `${msg}: ${error.message}` : msg;
  } catch (error) {
    if (error instanceof SyntaxError) return line;
    throw error;
  }
}
