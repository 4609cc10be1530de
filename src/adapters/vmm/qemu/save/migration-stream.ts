import { AppError } from '../../../../base/errors.ts';
import { ByteCursor, NeedsMore } from './byte-cursor.ts';

/*
 * The format is QEMU's (docs/devel/migration/main.rst, "Stream structure", and migration/{savevm,ram}.c). Old
 * and new QEMUs exchange it, so it is stable. All numbers are big-endian. This reads what QEMU sends when no
 * capability is switched on: no compression, no postcopy, one connection.
 */
const MAGIC = 0x5145_564d;
const VERSION = 3;
const SECTION = { start: 1, part: 2, end: 3, subsection: 5, configuration: 7, footer: 0x7e } as const;

/** The kind of a record of the section `ram`, in the low bits of its address. */
const FLAG = { zero: 0x02, sizes: 0x04, page: 0x08, end: 0x10, continued: 0x20 } as const;
const LEAST_PAGE_BITS = 12;
/** The devices and processors of a guest take about 100 KB. */
const MOST_STATE_BYTES = 64 * 2 ** 20;

/**
 * Flash memory of arm64's machine. Without a drive, a new QEMU has it full of zeros
 * (hw/block/pflash_cfi01.c), so zeros in it need not be kept.
 */
const BLANK_BLOCK = /^virt\.flash[01]$/;

/** Where the pages of the guest's memory go. A page may come more than once; the last one counts. */
export interface PageSink {
  /** `page` is valid until the call returns. */
  page(offset: number, page: Buffer): void;
  zeros(offset: number, size: number): void;
}

/** Identifies the guest's memory in the stream. */
export interface GuestMemory {
  /** id of the memory object on QEMU's command line */
  id: string;
  sizeBytes: number;
}

/**
 * Extracts a guest's memory from the stream with which QEMU migrates it. What remains is the same stream
 * without these pages: a QEMU that already has the memory can read it. Pages of other memory (firmware, ACPI
 * tables) stay in the stream.
 *
 * @throws {AppError} VMM_SAVE_FAILED when the bytes are not such a stream; push nothing more after that.
 */
export class MigrationStream {
  readonly #memory: GuestMemory;
  readonly #sink: PageSink;
  /** what remains of the stream, in order */
  readonly #state: Buffer[] = [];
  #stateBytes = 0;
  /** pages of other memory, as records, by block and address */
  readonly #kept = new Map<string, Buffer>();
  #next: (cursor: ByteCursor) => void = (cursor) => this.#header(cursor);
  #pageBytes = 2 ** LEAST_PAGE_BITS;
  #ramSection: number | undefined;
  /** the block of records that do not name theirs */
  #block = '';
  #isMemory = false;
  #isInDevices = false;

  constructor(memory: GuestMemory, sink: PageSink) {
    this.#memory = memory;
    this.#sink = sink;
  }

  /**
   * Takes the next bytes of the stream, which may end anywhere. Returns how many of them were consumed: the
   * rest is the beginning of a record, and the caller has to pass it again together with the bytes that
   * follow.
   */
  push(bytes: Buffer): number {
    if (this.#isInDevices) {
      this.#leave(bytes);
      return bytes.length;
    }
    const cursor = new ByteCursor(bytes);
    try {
      while (!this.#isInDevices) {
        cursor.mark();
        this.#next(cursor);
      }
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error;
      return cursor.marked;
    }
    this.#leave(cursor.remaining());
    return bytes.length;
  }

  /** The stream without the memory; call it at the end. */
  finish(): Buffer {
    if (!this.#isInDevices) throw unreadable('it ends before the device state');
    return Buffer.concat(this.#state);
  }

  #leave(bytes: Uint8Array): void {
    this.#stateBytes += bytes.length;
    if (this.#stateBytes > MOST_STATE_BYTES) throw unreadable('an endless device state');
    this.#state.push(Buffer.from(bytes));
  }

  #header(cursor: ByteCursor): void {
    if (cursor.u32() !== MAGIC || cursor.u32() !== VERSION)
      throw unreadable('it does not begin as a migration stream');
    this.#leave(cursor.taken());
    this.#next = (next) => this.#section(next);
  }

  #section(cursor: ByteCursor): void {
    const type = cursor.u8();
    switch (type) {
      case SECTION.configuration:
        // The name of the machine.
        cursor.bytes(cursor.u32());
        this.#leave(cursor.taken());
        return;
      case SECTION.subsection:
        this.#configuration(cursor);
        return;
      case SECTION.start: {
        const id = cursor.u32();
        const name = cursor.name();
        if (name !== 'ram') throw unreadable(`a section "${name}" before the devices`);
        // Its instance and version.
        cursor.bytes(8);
        this.#ramSection = id;
        this.#leave(cursor.taken());
        this.#next = (next) => this.#record(next, SECTION.start);
        return;
      }
      case SECTION.part:
      case SECTION.end:
        if (cursor.u32() !== this.#ramSection) throw unreadable('part of a section that has not begun');
        if (type === SECTION.end) this.#leave(cursor.taken());
        this.#next = (next) => this.#record(next, type);
        return;
      default:
        throw unreadable(`a section of type ${type} before the devices`);
    }
  }

  #configuration(cursor: ByteCursor): void {
    const name = cursor.name();
    if (name !== 'configuration/target-page-bits') throw unreadable(`a subsection "${name}"`);
    const version = cursor.u32();
    const bits = cursor.u32();
    if (version !== 1 || bits < LEAST_PAGE_BITS || bits > 16) throw unreadable(`pages of ${bits} bits`);
    this.#pageBytes = 2 ** bits;
    this.#leave(cursor.taken());
  }

  /** One record of the section `ram`. */
  #record(cursor: ByteCursor, type: number): void {
    const word = cursor.u64();
    const flags = word % this.#pageBytes;
    const address = word - flags;
    if (flags === FLAG.end) this.#endOfRecords(cursor, type);
    else if (flags === FLAG.sizes && type === SECTION.start) this.#sizes(cursor, address);
    else this.#page(cursor, { flags, offset: address });
  }

  #page(cursor: ByteCursor, { flags, offset }: { flags: number; offset: number }): void {
    const kind = flags & ~FLAG.continued;
    if (kind !== FLAG.page && kind !== FLAG.zero) throw unreadable(`a record with flags ${flags}`);
    if (kind === flags) {
      this.#block = cursor.name();
      this.#isMemory = this.#block === this.#memory.id;
    }
    if (kind === FLAG.zero && cursor.u8() !== 0)
      throw unreadable('a page filled with a byte other than zero');
    const page = kind === FLAG.page ? cursor.bytes(this.#pageBytes) : undefined;
    if (!this.#isMemory) this.#keep(offset, page);
    else if (offset + this.#pageBytes > this.#memory.sizeBytes) throw unreadable(`a page at ${offset}`);
    else if (page) this.#sink.page(offset, page);
    else this.#sink.zeros(offset, this.#pageBytes);
  }

  #keep(offset: number, page: Buffer | undefined): void {
    const place = `${this.#block}@${offset}`;
    if (page === undefined && BLANK_BLOCK.test(this.#block) && !this.#kept.has(place)) return;
    this.#kept.set(place, recordOf(this.#block, { offset, page }));
    if (this.#kept.size * this.#pageBytes > MOST_STATE_BYTES)
      throw unreadable('too much memory of other blocks');
  }

  #endOfRecords(cursor: ByteCursor, type: number): void {
    if (cursor.u8() !== SECTION.footer || cursor.u32() !== this.#ramSection) {
      throw unreadable('a section without an end');
    }
    this.#next = (next) => this.#section(next);
    if (type === SECTION.part) return;
    if (type === SECTION.end) for (const record of this.#kept.values()) this.#leave(record);
    this.#leave(cursor.taken());
    this.#isInDevices = type === SECTION.end;
  }

  /** The names and sizes of all memory blocks, `totalBytes` in total. */
  #sizes(cursor: ByteCursor, totalBytes: number): void {
    let isThere = false;
    for (let left = totalBytes; left > 0; ) {
      const name = cursor.name();
      const size = cursor.u64();
      isThere ||= name === this.#memory.id && size === this.#memory.sizeBytes;
      if (size === 0) throw unreadable(`memory "${name}" of no size`);
      left -= size;
    }
    if (!isThere) throw unreadable(`no memory "${this.#memory.id}" of ${this.#memory.sizeBytes} bytes`);
    this.#leave(cursor.taken());
  }
}

function recordOf(block: string, { offset, page }: { offset: number; page: Buffer | undefined }): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(offset) | BigInt(page ? FLAG.page : FLAG.zero));
  const name = Buffer.from(block, 'latin1');
  return Buffer.concat([head, Buffer.from([name.length]), name, page ?? Buffer.from([0])]);
}

function unreadable(what: string): AppError {
  return new AppError(
    'VMM_SAVE_FAILED',
    `Cannot save the guest: QEMU sent a migration stream that cannot be read: ${what}`,
  );
}
