import { writeSync } from 'node:fs';
import type { PageSink } from './migration-stream.ts';

/** Consecutive pages are written together, at most this many `bytes`. */
const RUN_BYTES = 2 ** 20;
const PAGE_BYTES = 4096;

/**
 * Writes a guest's memory into an empty file of the same size, leaving holes where it is zero. Writes
 * synchronously: it is for a process that does nothing else.
 */
export class MemoryFile implements PageSink {
  readonly #fd: number;
  readonly #run = Buffer.allocUnsafe(RUN_BYTES);
  readonly #zeros = Buffer.alloc(2 ** 16);
  /** by page: whether it has ever held anything but zeros */
  readonly #isWritten: Uint8Array;
  #position = 0;
  #length = 0;

  /** `fd` stays the caller's. */
  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd;
    this.#isWritten = new Uint8Array(Math.ceil(sizeBytes / PAGE_BYTES));
  }

  /** @throws errno of the file */
  page(offset: number, page: Buffer): void {
    if (offset !== this.#position + this.#length || this.#length + page.length > RUN_BYTES) this.flush();
    if (this.#length === 0) this.#position = offset;
    page.copy(this.#run, this.#length);
    this.#length += page.length;
    this.#isWritten[offset / PAGE_BYTES] = 1;
  }

  /** @throws errno of the file */
  zeros(offset: number, size: number): void {
    if (this.#isWritten[offset / PAGE_BYTES]) this.page(offset, this.#zeros.subarray(0, size));
  }

  /** Writes the pages held back so far. @throws errno of the file */
  flush(): void {
    writeAll(this.#fd, this.#run.subarray(0, this.#length), this.#position);
    this.#length = 0;
  }
}

/** Writes `bytes` at `position` of the file. @throws errno of the file */
export function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
