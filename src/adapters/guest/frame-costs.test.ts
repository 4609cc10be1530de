import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameCosts } from './frame-costs.ts';

function frame(type: number, length: number): Buffer {
  const bytes = Buffer.alloc(9 + length, 0xff);
  bytes.writeUIntBE(length, 0, 3);
  bytes.writeUInt8(type, 3);
  return bytes;
}

const frames = fc.array(fc.tuple(fc.constantFrom(0, 1, 4, 6, 9, 99), fc.integer({ min: 0, max: 3000 })), {
  minLength: 1,
});

test('frames cost the same however the stream is split, and no byte is skipped', () => {
  fc.assert(
    fc.property(
      frames,
      fc.array(fc.integer({ min: 1, max: 2000 })),
      fc.integer({ min: 1, max: 100 }),
      (all, cuts, most) => {
        const stream = Buffer.concat(all.map(([type, length]) => frame(type, length)));
        const whole = new FrameCosts().take(stream, { bytes: Infinity, cost: Infinity });
        assert.equal(whole.bytes, stream.length);
        const costs = new FrameCosts();
        let sum = 0;
        let at = 0;
        for (let cut = 0; at < stream.length; cut += 1) {
          const chunk = stream.subarray(at, at + (cuts[cut % (cuts.length || 1)] ?? 500));
          const taken = costs.take(chunk, { bytes: 700, cost: most });
          assert.ok(taken.bytes > 0 && taken.bytes <= Math.min(700, chunk.length));
          assert.ok(taken.cost < most + 40);
          at += taken.bytes;
          sum += taken.cost;
        }
        assert.equal(sum, whole.cost);
      },
    ),
  );
});

test('a body in large frames costs nothing, small frames and headers do', () => {
  const costOf = (type: number, length: number): number =>
    new FrameCosts().take(frame(type, length), { bytes: Infinity, cost: Infinity }).cost;
  assert.equal(costOf(0, 1024), 0);
  assert.equal(costOf(0, 1), 10);
  assert.equal(costOf(1, 1024), 40);
  assert.equal(costOf(6, 8), 2);
});

test('nothing is accepted when there is no room', () => {
  const costs = new FrameCosts();
  assert.deepEqual(costs.take(frame(0, 1), { bytes: 0, cost: 1 }), { bytes: 0, cost: 0 });
  assert.deepEqual(costs.take(frame(0, 1), { bytes: 10, cost: 0 }), { bytes: 0, cost: 0 });
});
