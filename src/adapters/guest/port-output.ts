import { brokenProtocol } from './errors.ts';

/** The media type of an answer in chunks. */
export const CHUNKS_TYPE = 'application/x-banger-chunks';

/** Length of the number before each chunk, and of the longest chunk, in `bytes`. */
const HEADER_BYTES = 4;
const MAX_CHUNK_BYTES = 1024 * 1024;

/**
 * Reads the output of a guest's port in chunks, so that its end is known while the request is still open:
 *
 *     +-----------------+----------------+
 *     | length          | content        |
 *     | 4 bytes, big e. | `length` bytes |      length 0: the end of the output
 *     +-----------------+----------------+
 */
export class PortOutput {
  readonly #action: string;
  /** what is known of the next length: its first bytes, and how many these are */
  #length = 0;
  #lengthBytes = 0;
  /** `bytes` of the current chunk that have not arrived */
  #left = 0;
  #hasEnded = false;

  constructor(action: string) {
    this.#action = action;
  }

  /** The output is complete. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Returns the content of the next part of the answer, as one piece however small the chunks are. The result
   * uses the memory of `bytes`, which is overwritten.
   *
   * @throws {AppError} GUEST_PROTOCOL
   */
  read(bytes: Buffer): Buffer {
    let [start, end] = [0, 0];
    for (let at = 0; at < bytes.length; ) {
      if (this.#left === 0) {
        this.#readLength(bytes[at] ?? 0);
        at += 1;
        continue;
      }
      const taken = Math.min(this.#left, bytes.length - at);
      if (end === start) {
        start = at;
        end = at + taken;
      } else {
        bytes.copyWithin(end, at, at + taken);
        end += taken;
      }
      at += taken;
      this.#left -= taken;
    }
    return bytes.subarray(start, end);
  }

  #readLength(byte: number): void {
    if (this.#hasEnded) throw brokenProtocol(this.#action, 'bytes after the end');
    this.#length = this.#length * 0x100 + byte;
    this.#lengthBytes += 1;
    if (this.#lengthBytes < HEADER_BYTES) return;
    if (this.#length > MAX_CHUNK_BYTES)
      throw brokenProtocol(this.#action, `a chunk of ${this.#length} bytes`);
    this.#left = this.#length;
    this.#hasEnded = this.#length === 0;
    this.#length = 0;
    this.#lengthBytes = 0;
  }
}
