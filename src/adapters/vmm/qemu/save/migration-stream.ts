import { AppError } from '../../../../base/errors.ts';
import { ByteCursor, NeedsMore } from './byte-cursor.ts';

/*
 * The form is that of QEMU's docs/devel/migration (main.rst, "Stream structure") and
 * migration/{savevm,ram}.c: what old and new QEMUs send each other, so it stays as it is. All numbers are
 * big-endian. Read here is what comes when no capability asks for anything else: no compression, no postcopy,
 * one connection.
 */
const MAGIC = 0x5145_564d;
const VERSION = 3;
const SECTION = { start: 1, part: 2, end: 3, subsection: 5, configuration: 7, footer: 0x7e } as const;

/** What a record of the section `ram` is, in the low bits of its address. */
const FLAG = { zero: 0x02, sizes: 0x04, page: 0x08, end: 0x10, continued: 0x20 } as const;
const LEAST_PAGE_BITS = 12;
/** Devices and processors of a guest are some 100 KB. */
const MOST_STATE_BYTES = 64 * 2 ** 20;

/** Where the pages of the guest's memory go. A page may come more than once; the last one counts. */
export interface PageSink {
  /** `page` is good until the call returns. */
  page(offset: number, page: Buffer): void;
  zeros(offset: number, size: number): void;
}

/** The guest's memory in the stream. */
export interface GuestMemory {
  /** of the memory's object on QEMU's command line */
  id: string;
  sizeBytes: number;
}

/**
 * Takes a guest's memory out of the stream that a QEMU migrates it with, and leaves the rest in a form that a
 * QEMU reads which has the memory already: the same stream without these pages. Pages of other memory
 * (firmware, ACPI tables) stay in it.
 *
 * @throws {AppError} VMM_SAVE_FAILED for what is no such stream; then nothing more is to be pushed.
 */
export class MigrationStream {
  readonly #memory: GuestMemory;
  readonly #sink: PageSink;
  /** what is left of the stream, in order */
  readonly #state: Buffer[] = [];
  #stateBytes = 0;
  /** pages of other memory, as records, by block and address */
  readonly #kept = new Map<string, Buffer>();
  #next: (cursor: ByteCursor) => void = (cursor) => this.#header(cursor);
  #pageBytes = 2 ** LEAST_PAGE_BITS;
  #ramSection: number | undefined;
  /** that records belong to which do not name theirs */
  #block = '';
  #isMemory = false;
  #isInDevices = false;

  constructor(memory: GuestMemory, sink: PageSink) {
    this.#memory = memory;
    this.#sink = sink;
  }

  /**
   * Takes the stream's next bytes, which may end anywhere, and gives how many of them are of use now: the
   * others are a record's beginning, and are to come again with what follows them.
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

  /** The stream without the memory, at its end. */
  finish(): Buffer {
    if (!this.#isInDevices) throw unreadable('it ends before the devices');
    return Buffer.concat(this.#state);
  }

  #leave(bytes: Uint8Array): void {
    this.#stateBytes += bytes.length;
    if (this.#stateBytes > MOST_STATE_BYTES) throw unreadable('a state of devices that does not end');
    this.#state.push(Buffer.from(bytes));
  }

  #header(cursor: ByteCursor): void {
    if (cursor.u32() !== MAGIC || cursor.u32() !== VERSION) throw unreadable('it does not begin as one');
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
        if (cursor.u32() !== this.#ramSection) throw unreadable('a section that has not begun');
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
    if (kind === FLAG.zero && cursor.u8() !== 0) throw unreadable('a page filled with something');
    const page = kind === FLAG.page ? cursor.bytes(this.#pageBytes) : undefined;
    if (!this.#isMemory) this.#keep(offset, page);
    else if (offset + this.#pageBytes > this.#memory.sizeBytes) throw unreadable(`a page at ${offset}`);
    else if (page) this.#sink.page(offset, page);
    else this.#sink.zeros(offset, this.#pageBytes);
  }

  #keep(offset: number, page: Buffer | undefined): void {
    this.#kept.set(`${this.#block}@${offset}`, recordOf(this.#block, { offset, page }));
    if (this.#kept.size * this.#pageBytes > MOST_STATE_BYTES) throw unreadable('too much other memory');
  }

  #endOfRecords(cursor: ByteCursor, type: number): void {
    if (cursor.u8() !== SECTION.footer || cursor.u32() !== this.#ramSection) {
      throw unreadable('a section without its end');
    }
    this.#next = (next) => this.#section(next);
    if (type === SECTION.part) return;
    if (type === SECTION.end) for (const record of this.#kept.values()) this.#leave(record);
    this.#leave(cursor.taken());
    this.#isInDevices = type === SECTION.end;
  }

  /** The names and sizes of all blocks of memory, `totalBytes` together. */
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
    `Cannot save the guest: this is no migration stream of QEMU's that can be read: ${what}`,
  );
}
