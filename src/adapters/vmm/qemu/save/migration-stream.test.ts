import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  DEVICES,
  END,
  head,
  name,
  PAGE,
  record,
  section,
  sizes,
  start,
  streamOf,
  u32,
  u64,
} from '../../../../../test/support/migration-stream.ts';
import { isAppError } from '../../../../base/errors.ts';
import { MigrationStream, type PageSink } from './migration-stream.ts';

const SIZE = 16 * PAGE;
const MEMORY = { id: 'memory', sizeBytes: SIZE };
const pages = fc.array(
  fc.record({
    block: fc.constantFrom('memory' as const, 'memory' as const, 'firmware' as const),
    index: fc.nat({ max: 15 }),
    fill: fc.constantFrom(0, 0, 1, 2, 255),
  }),
  { maxLength: 20 },
);
/** The part that arrives while the guest runs, and the part at the end. */
const sections = fc.tuple(fc.array(pages, { maxLength: 3 }), pages);

test('guest memory is split off, and the devices and all other memory remain', () => {
  fc.assert(
    fc.property(sections, fc.array(fc.integer({ min: 1, max: 9000 })), ([parts, last], cuts) => {
      const { memory, state } = taken(streamOf(SIZE, { parts, last }), cuts);
      const all = [...parts.flat(), ...last];
      const expected = Buffer.alloc(SIZE);
      for (const { index, fill } of all.filter(({ block }) => block === 'memory')) {
        expected.fill(fill, index * PAGE, (index + 1) * PAGE);
      }
      assert.ok(memory.equals(expected));
      // The rest is itself a stream, without a page of the memory.
      const again = taken(state, []);
      assert.equal(again.count, 0);
      assert.ok(again.state.equals(state));
      const kept = new Map<number, number>();
      for (const { block, index, fill } of all) if (block === 'firmware') kept.set(index, fill);
      const records = [...kept].map(([index, fill]) => record({ block: 'firmware', index, fill }));
      assert.ok(state.equals(Buffer.concat([head(SIZE), section(3, []), ...records, END, DEVICES])));
    }),
  );
});

test('zeros of flash memory are left out, unless the guest had written something there', () => {
  const flash = (index: number, fill: number): Buffer => record({ block: 'virt.flash1', index, fill });
  const begin = Buffer.concat([Buffer.from([2]), u32(2)]);
  const whole = Buffer.concat([
    ...[head(SIZE), begin, flash(0, 0), flash(1, 0), flash(2, 5), END],
    ...[section(3, []), flash(2, 0), flash(3, 9), END, DEVICES],
  ]);
  const kept = [flash(2, 0), flash(3, 9)];
  assert.deepEqual(
    taken(whole, []).state,
    Buffer.concat([head(SIZE), section(3, []), ...kept, END, DEVICES]),
  );
});

test('a stream that is truncated anywhere is refused', () => {
  const whole = streamOf(SIZE, {
    parts: [[{ block: 'memory', index: 1, fill: 7 }]],
    last: [{ block: 'firmware', index: 0, fill: 1 }],
  });
  for (let length = 0; length <= whole.length - DEVICES.length; length += 1) {
    const stream = new MigrationStream(MEMORY, sinkOf(Buffer.alloc(SIZE)));
    stream.push(whole.subarray(0, length));
    if (length < whole.length - DEVICES.length)
      assert.throws(() => stream.finish(), { code: 'VMM_SAVE_FAILED' });
  }
});

test('arbitrary bytes are refused, or change only memory', () => {
  const whole = streamOf(SIZE, {
    parts: [[{ block: 'memory', index: 1, fill: 7 }]],
    last: [{ block: 'memory', index: 2, fill: 1 }],
  });
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
  ['another format', Buffer.from('QEVX\0\0\0\u0003'), /does not begin as a migration stream/],
  ['memory of another size', Buffer.concat([head(SIZE * 2), END]), /no memory "memory" of 65536 bytes/],
  [
    'a page beyond the memory',
    streamOf(SIZE, { last: [{ block: 'memory', index: 16, fill: 1 }] }),
    /a page at 65536/,
  ],
  ['a compressed page', Buffer.concat([head(SIZE), section(3, []), u64(0x100)]), /a record with flags 256/],
  [
    'a page of ones',
    Buffer.concat([head(SIZE), section(3, []), Buffer.concat([u64(0x02), name('memory'), Buffer.from([1])])]),
    /filled with a byte other than zero/,
  ],
  [
    'a device before the memory',
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
    'a section without an end',
    Buffer.concat([head(SIZE), section(3, []), u64(0x10), u64(0)]),
    /without an end/,
  ],
];

for (const [what, bytes, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(() => taken(bytes, []), { code: 'VMM_SAVE_FAILED', message });
  });
}

test('pages have the size that the stream declares', () => {
  const bits = Buffer.concat([Buffer.from([5]), name('configuration/target-page-bits'), u32(1), u32(14)]);
  const { memory, state } = taken(
    Buffer.concat([
      start(),
      bits,
      sizes(SIZE),
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

/** Parses a stream that arrives in pieces; their lengths are `cuts`, repeatedly. */
function taken(bytes: Buffer, cuts: readonly number[]): { memory: Buffer; state: Buffer; count: number } {
  const memory = Buffer.alloc(SIZE);
  const sink = sinkOf(memory);
  const stream = new MigrationStream(MEMORY, sink);
  let rest = Buffer.alloc(0);
  for (let at = 0, round = 0; at < bytes.length; round += 1) {
    const length = cuts[round % cuts.length] ?? bytes.length;
    const buffer = Buffer.concat([rest, bytes.subarray(at, at + length)]);
    rest = Buffer.from(buffer.subarray(stream.push(buffer)));
    // The buffer is reused.
    buffer.fill(0xee);
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
