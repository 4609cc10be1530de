/** Thrown when a read needs bytes that have not arrived yet. */
export class NeedsMore extends Error {}

/** A single instance, because its stack trace does not matter. */
const NEEDS_MORE = new NeedsMore('needs more bytes');

/**
 * Reads big-endian records from bytes that may end in the middle of a record, and remembers where that record
 * began.
 */
export class ByteCursor {
  readonly #bytes: Buffer;
  #at = 0;
  #mark = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Marks the beginning of a record. */
  mark(): void {
    this.#mark = this.#at;
  }

  /** Position at which the current record begins. */
  get marked(): number {
    return this.#mark;
  }

  /** The bytes of the current record that have been read. */
  taken(): Buffer {
    return this.#bytes.subarray(this.#mark, this.#at);
  }

  /** The bytes that have not been read yet. */
  remaining(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** @throws {NeedsMore} like all methods that follow */
  bytes(count: number): Buffer {
    const begin = this.#at;
    if (begin + count > this.#bytes.length) throw NEEDS_MORE;
    this.#at = begin + count;
    return this.#bytes.subarray(begin, this.#at);
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#skip(1));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#skip(4));
  }

  /** As a number: exact up to 2^53. */
  u64(): number {
    const at = this.#skip(8);
    return this.#bytes.readUInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
  }

  /** A length byte and the bytes that it counts. */
  name(): string {
    return this.bytes(this.u8()).toString('latin1');
  }

  #skip(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw NEEDS_MORE;
    this.#at = at + count;
    return at;
  }
}
