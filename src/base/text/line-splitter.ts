import { AppError } from '../errors.ts';
import { ByteCollector } from './byte-collector.ts';

/**
 * Longest line that {@link LineSplitter} accepts, in `bytes`; a peer that sends more does not speak our
 * protocol.
 */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** Splits a byte stream into lines; buffers at most the longest allowed line. */
export class LineSplitter {
  readonly #rest = new ByteCollector();
  readonly #maxLineBytes: number;

  constructor(maxLineBytes: number = MAX_LINE_BYTES) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines that `chunk` completes, without their newlines. @throws {AppError} LINE_TOO_LONG */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, at));
      lines.push(this.#rest.take().toString('utf8'));
      from = at + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return lines;
  }

  #keep(part: Buffer): void {
    if (this.#rest.length + part.length > this.#maxLineBytes) {
      throw new AppError('LINE_TOO_LONG', `Cannot read a line of more than ${this.#maxLineBytes} bytes`);
    }
    this.#rest.add(part);
  }
}
