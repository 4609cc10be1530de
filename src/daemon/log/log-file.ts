import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { isErrno } from '../../base/errors.ts';

/** Size at which a log file is rotated, in `bytes`; with the previous file, twice that is on disk. */
const MAX_BYTES = 5 * 2 ** 20;

/**
 * A log file that is appended to. When it exceeds its size it is renamed to `<path>.1`, replacing the
 * previous one.
 */
export class LogFile implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number;
  #bytes: number;

  constructor(path: string, { maxBytes = MAX_BYTES }: { maxBytes?: number } = {}) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#fd = openSync(path, 'a', 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  /**
   * Appends one line, including its newline. When this returns, the kernel has it; dropped when the disk is
   * full.
   */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#rotate();
    try {
      writeSync(this.#fd, bytes);
      this.#bytes += bytes.length;
    } catch (error) {
      // Work must not fail because it cannot be logged.
      if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
    }
  }

  #rotate(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#fd = openSync(this.#path, 'a', 0o600);
    this.#bytes = 0;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
