/** Thrown when bytes are asked for that have not come yet. */
export class NeedsMore extends Error {}

/** One for all: where it is thrown does not matter. */
const NEEDS_MORE = new NeedsMore('more bytes are needed');

/** Reads big-endian records from bytes that may end in the middle of one: then it knows where that began. */
export class ByteCursor {
  readonly #bytes: Buffer;
  #at = 0;
  #mark = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** A record begins here. */
  mark(): void {
    this.#mark = this.#at;
  }

  /** Where the record begins. */
  get marked(): number {
    return this.#mark;
  }

  /** What has been read of the record. */
  taken(): Buffer {
    return this.#bytes.subarray(this.#mark, this.#at);
  }

  /** What has not been read yet. */
  remaining(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** @throws {NeedsMore} as all that follow */
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

  /** A byte that counts the bytes after it. */
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
