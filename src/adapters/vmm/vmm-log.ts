import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { printable } from '../../base/errors.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';

/** A VMM's log, opened for one start. */
export interface VmmLog extends AsyncDisposable {
  /** open for appending; becomes the VMM's stdout and stderr */
  readonly fd: number;
  /** The last lines since it was opened, joined for a message; empty when there are none. */
  tail(): Promise<string>;
}

const TAIL_BYTES = 4096;
const TAIL_LINES = 3;

/**
 * Opens the log `path`, mode 0600; creates it when it is missing.
 *
 * @throws {AppError} HOST_NO_SPACE
 */
export async function openVmmLog(path: string): Promise<VmmLog> {
  const file = await reportNoSpace(() => open(path, 'a+', 0o600), {
    what: "the VMM's log",
    dir: dirname(path),
  });
  const { size } = await file.stat();
  return {
    fd: file.fd,
    tail: () => lastLines(file, size),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

async function lastLines(file: FileHandle, begin: number): Promise<string> {
  const { size } = await file.stat();
  const from = Math.max(begin, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
  const lines = buffer.toString('utf8', 0, bytesRead).trim().split('\n');
  return printable(lines.slice(-TAIL_LINES).join(' | '));
}
