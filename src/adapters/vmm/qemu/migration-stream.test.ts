import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { MigrationStream, type PageSink } from './migration-stream.ts';

const PAGE = 4096;
const SIZE = 16 * PAGE;
const MEMORY = { id: 'memory', sizeBytes: SIZE };
const DEVICES = Buffer.from('\u0004all that devices say of themselves\u0000', 'latin1');
const END = Buffer.concat([u64(0x10), Buffer.from([0x7e]), u32(2)]);

/** One page of a stream; filled with `fill`. */
interface Page {
  block: 'memory' | 'firmware';
  index: number;
  fill: number;
}

const pages = fc.array(
  fc.record({
    block: fc.constantFrom('memory' as const, 'memory' as const, 'firmware' as const),
    index: fc.nat({ max: 15 }),
    fill: fc.constantFrom(0, 0, 1, 2, 255),
  }),
  { maxLength: 20 },
);
/** What comes while the guest runs, and what comes at the end. */
const sections = fc.tuple(fc.array(pages, { maxLength: 3 }), pages);

test('memory goes where it belongs, and what is left are the devices and all other memory', () => {
  fc.assert(
    fc.property(sections, fc.array(fc.integer({ min: 1, max: 9000 })), ([parts, last], cuts) => {
      const { memory, state } = taken(streamOf(parts, last), cuts);
      const all = [...parts.flat(), ...last];
      const expected = Buffer.alloc(SIZE);
      for (const { index, fill } of all.filter(({ block }) => block === 'memory')) {
        expected.fill(fill, index * PAGE, (index + 1) * PAGE);
      }
      assert.ok(memory.equals(expected));
      // Read once more, it is a stream with no page of the memory.
      const again = taken(state, []);
      assert.equal(again.count, 0);
      assert.ok(again.state.equals(state));
      const kept = new Map<number, number>();
      for (const { block, index, fill } of all) if (block === 'firmware') kept.set(index, fill);
      const records = [...kept].map(([index, fill]) => record({ block: 'firmware', index, fill }));
      assert.ok(state.equals(Buffer.concat([head(), section(3, []), ...records, END, DEVICES])));
    }),
  );
});

test('what is cut short anywhere is no guest', () => {
  const whole = streamOf(
    [[{ block: 'memory', index: 1, fill: 7 }]],
    [{ block: 'firmware', index: 0, fill: 1 }],
  );
  for (let length = 0; length <= whole.length - DEVICES.length; length += 1) {
    const stream = new MigrationStream(MEMORY, sinkOf(Buffer.alloc(SIZE)));
    stream.push(whole.subarray(0, length));
    if (length < whole.length - DEVICES.length)
      assert.throws(() => stream.finish(), { code: 'VMM_SAVE_FAILED' });
  }
});

test('bytes that are no migration stream are refused, or change nothing but memory', () => {
  const whole = streamOf(
    [[{ block: 'memory', index: 1, fill: 7 }]],
    [{ block: 'memory', index: 2, fill: 1 }],
  );
  const damage = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 }));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.array(damage, { minLength: 1, maxLength: 4 })), (what) => {
      const bytes = what instanceof Uint8Array ? Buffer.from(what) : Buffer.from(whole);
      if (!(what instanceof Uint8Array)) for (const [at, value] of what) bytes[at] = value;
      try {
        taken(bytes, []);
      } catch (error) {
        assert.ok(isAppError(error, 'VMM_SAVE_FAILED'), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

const REFUSED: readonly [string, Buffer, RegExp][] = [
  ['another format', Buffer.from('QEVX\0\0\0\u0003'), /does not begin as one/],
  ['memory of another size', Buffer.concat([head(SIZE * 2), END]), /no memory "memory" of 65536 bytes/],
  ['a page beyond the memory', streamOf([], [{ block: 'memory', index: 16, fill: 1 }]), /a page at 65536/],
  ['a compressed page', Buffer.concat([head(), section(3, []), u64(0x100)]), /a record with flags 256/],
  ['a page of ones', Buffer.concat([head(), section(3, []), zeroRecord(1)]), /filled with something/],
  [
    'a device too early',
    Buffer.concat([start(), Buffer.from([4])]),
    /a section of type 4 before the devices/,
  ],
  [
    'a section of drives',
    Buffer.concat([start(), Buffer.from([1]), u32(1), name('block')]),
    /"block" before/,
  ],
  [
    'a capability',
    Buffer.concat([start(), Buffer.from([5]), name('configuration/capabilities')]),
    /a subsection/,
  ],
  [
    'a section without its end',
    Buffer.concat([head(), section(3, []), u64(0x10), u64(0)]),
    /without its end/,
  ],
];

for (const [what, bytes, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(() => taken(bytes, []), { code: 'VMM_SAVE_FAILED', message });
  });
}

test('pages are of the size that the stream says', () => {
  const bits = Buffer.concat([Buffer.from([5]), name('configuration/target-page-bits'), u32(1), u32(14)]);
  const { memory, state } = taken(
    Buffer.concat([
      start(),
      bits,
      sizes(),
      END,
      section(3, []),
      u64(0x08),
      name('memory'),
      Buffer.alloc(4 * PAGE, 9),
      END,
      DEVICES,
    ]),
    [],
  );
  assert.ok(memory.subarray(0, 4 * PAGE).equals(Buffer.alloc(4 * PAGE, 9)));
  assert.ok(state.includes(bits));
});

/** Reads a stream that comes in pieces of `cuts` bytes, again and again. */
function taken(bytes: Buffer, cuts: readonly number[]): { memory: Buffer; state: Buffer; count: number } {
  const memory = Buffer.alloc(SIZE);
  const sink = sinkOf(memory);
  const stream = new MigrationStream(MEMORY, sink);
  for (let at = 0, round = 0; at < bytes.length; round += 1) {
    const length = cuts[round % cuts.length] ?? bytes.length;
    // A socket's buffer is used again.
    const chunk = Buffer.from(bytes.subarray(at, at + length));
    stream.push(chunk);
    chunk.fill(0xee);
    at += length;
  }
  return { memory, state: stream.finish(), count: sink.count };
}

function sinkOf(memory: Buffer): PageSink & { count: number } {
  return {
    count: 0,
    page(offset, page) {
      this.count += 1;
      page.copy(memory, offset);
    },
    zeros(offset, size) {
      this.count += 1;
      memory.fill(0, offset, offset + size);
    },
  };
}

function streamOf(parts: readonly Page[][], last: readonly Page[]): Buffer {
  return Buffer.concat([
    head(),
    ...parts.flatMap((part) => [section(2, part), END]),
    section(3, last),
    END,
    DEVICES,
  ]);
}

/** All before the first page. */
function head(sizeBytes = SIZE): Buffer {
  return Buffer.concat([start(), sizes(sizeBytes), END]);
}

/** Magic number, version and the machine's name. */
function start(): Buffer {
  return Buffer.concat([u32(0x5145_564d), u32(3), Buffer.from([7]), u32(7), Buffer.from('microvm')]);
}

function sizes(sizeBytes = SIZE): Buffer {
  return Buffer.concat([
    ...[Buffer.from([1]), u32(2), name('ram'), u32(0), u32(4)],
    ...[u64(sizeBytes + SIZE + 4), name('memory'), u64(sizeBytes), name('firmware'), u64(SIZE)],
  ]);
}

/** As QEMU: a block is named when it is another than before. */
function section(type: number, all: readonly Page[]): Buffer {
  const records = all.map((page, at) => record(page, all[at - 1]?.block === page.block));
  return Buffer.concat([Buffer.from([type]), u32(2), ...records]);
}

function record({ block, index, fill }: Page, isContinued = false): Buffer {
  const flags = (fill === 0 ? 0x02 : 0x08) | (isContinued ? 0x20 : 0);
  return Buffer.concat([
    u64(index * PAGE + flags),
    isContinued ? Buffer.alloc(0) : name(block),
    fill === 0 ? Buffer.from([0]) : Buffer.alloc(PAGE, fill),
  ]);
}

function zeroRecord(fill: number): Buffer {
  return Buffer.concat([u64(0x02), name('memory'), Buffer.from([fill])]);
}

function name(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
