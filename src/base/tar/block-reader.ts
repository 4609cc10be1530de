import { AppError } from '../errors.ts';

/** The error for an invalid archive, which is not used any further. */
export function tarDamaged(what: string): AppError {
  return new AppError('TAR_DAMAGED', `Cannot read the archive: ${what}`);
}

/** Splits a stream of bytes into pieces of requested sizes. */
export class BlockReader {
  readonly #source: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterator<Buffer>) {
    this.#source = source;
  }

  /** The next bytes, at most `limit` of them; `undefined` at the end. */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#chunk = value;
    }
    const piece = this.#chunk.subarray(0, limit);
    this.#chunk = this.#chunk.subarray(piece.length);
    return piece;
  }

  /** Exactly `length` bytes. @throws {AppError} TAR_DAMAGED when the stream ends earlier */
  async exactly(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const piece = await this.some(left);
      if (!piece) throw tarDamaged('it is truncated');
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  }

  /** Reads and discards the rest of the stream, so that its writer can finish. */
  async drain(): Promise<void> {
    while (await this.some(Number.MAX_SAFE_INTEGER)) {
      // nothing is kept
    }
  }
}
