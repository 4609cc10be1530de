import type { FileHandle } from 'node:fs/promises';
import type { PageSink } from './migration-stream.ts';

/** Bytes that are written together; beside those a second lot is being collected. */
const LOT_BYTES = 2 ** 20;
const PAGE_BYTES = 4096;

/** Bytes that belong one after the other in the file. */
interface Run {
  position: number;
  begin: number;
  end: number;
}

/** Pages that may be written in any order: none of them comes twice. */
class Lot {
  readonly buffer = Buffer.allocUnsafe(LOT_BYTES);
  readonly runs: Run[] = [];
  length = 0;

  add(position: number, bytes: Buffer): void {
    bytes.copy(this.buffer, this.length);
    const begin = this.length;
    this.length += bytes.length;
    const last = this.runs.at(-1);
    if (last && last.position + (last.end - last.begin) === position) last.end = this.length;
    else this.runs.push({ position, begin, end: this.length });
  }

  clear(): void {
    this.runs.length = 0;
    this.length = 0;
  }
}

/**
 * Writes a guest's memory into an empty file of its size, and leaves holes where it is zero. What comes is collected; {@link MemoryFile.writeSome} is to be called again and again,
 * {@link MemoryFile.finish} in the end.
 */
export class MemoryFile implements PageSink {
  readonly #file: FileHandle;
  readonly #zeros = Buffer.alloc(2 ** 16);
  /** by page: the lot that it was in last, counted from 1 */
  readonly #seenIn: Uint32Array;
  #lotNumber = 1;
  #lot = new Lot();
  #full: Lot[] = [];
  #spare: Lot[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(file: FileHandle, sizeBytes: number) {
    this.#file = file;
    this.#seenIn = new Uint32Array(Math.ceil(sizeBytes / PAGE_BYTES));
  }

  page(offset: number, page: Buffer): void {
    const at = offset / PAGE_BYTES;
    if (this.#seenIn[at] === this.#lotNumber || this.#lot.length + page.length > LOT_BYTES) this.#nextLot();
    this.#seenIn[at] = this.#lotNumber;
    this.#lot.add(offset, page);
  }

  zeros(offset: number, size: number): void {
    // A hole, unless something was there before.
    if (this.#seenIn[offset / PAGE_BYTES]) this.page(offset, this.#zeros.subarray(0, size));
  }

  /** Begins to write what has been collected, when it is enough; settles when more may come. @throws errno of the file */
  async writeSome(): Promise<void> {
    if (this.#full.length > 0) await this.#write();
  }

  /** Writes the rest; all of it is in the file then. @throws errno of the file */
  async finish(): Promise<void> {
    this.#nextLot();
    await this.#write();
    await this.#writing;
  }

  /** Waits for what is being written, and begins with the rest. */
  async #write(): Promise<void> {
    const lots = this.#full;
    this.#full = [];
    await this.#writing;
    this.#writing = this.#writeLots(lots);
    // Whoever waits for it next hears of its failure.
    this.#writing.catch(() => {});
  }

  async #writeLots(lots: readonly Lot[]): Promise<void> {
    for (const lot of lots) {
      await Promise.all(lot.runs.map((run) => this.#writeRun(lot.buffer, run)));
      lot.clear();
      this.#spare.push(lot);
    }
  }

  async #writeRun(buffer: Buffer, { position, begin, end }: Run): Promise<void> {
    for (let done = begin; done < end; ) {
      const { bytesWritten } = await this.#file.write(buffer, done, end - done, position + done - begin);
      done += bytesWritten;
    }
  }

  #nextLot(): void {
    this.#full.push(this.#lot);
    this.#lot = this.#spare.pop() ?? new Lot();
    this.#lotNumber += 1;
  }
}
