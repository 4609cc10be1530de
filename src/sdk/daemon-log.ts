import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { printable } from '../base/errors.ts';

/** Most bytes that are read from the end of a log to find its last lines. */
const TAIL_BYTES = 16 * 1024;

/** Lines that Node adds to an uncaught error and that do not help. */
const NODE_TRACE = /^ +at |^Node\.js v|^ *\^/;

/** A log file that was opened for a child's output. */
export interface OpenLog extends Disposable {
  fd: number;
  /** the last `count` lines written since it was opened, printable */
  newLines(count: number): string[];
}

/** Opens `path` for appending; creates it with mode 0600 when it is missing. */
export function openLog(path: string): OpenLog {
  const fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
  const startBytes = fstatSync(fd).size;
  let isOpen = true;
  return {
    fd,
    newLines(count) {
      const size = fstatSync(fd).size;
      // A log that is shorter than before was rotated, so all of it is new.
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

/** Returns the message of a structured log line and of its error; returns any other line unchanged. */
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
