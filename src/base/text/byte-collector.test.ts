import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteCollector } from './byte-collector.ts';

test('ByteCollector returns the added bytes in order, and then starts empty', () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 5000 }));
  fc.assert(
    fc.property(chunks, chunks, (first, second) => {
      const collector = new ByteCollector();
      for (const each of [first, second]) {
        for (const chunk of each) collector.add(chunk);
        const whole = Buffer.concat(each);
        assert.equal(collector.length, whole.length);
        assert.deepEqual(collector.take(), whole);
        assert.equal(collector.length, 0);
      }
    }),
  );
});

test('ByteCollector copies the chunks, so that a million chunks of one byte take a megabyte', () => {
  const collector = new ByteCollector();
  const chunk = Buffer.from('x');
  const before = process.memoryUsage();
  for (let i = 0; i < 1_000_000; i += 1) collector.add(chunk);
  chunk.fill('y');
  const after = process.memoryUsage();
  assert.ok(after.arrayBuffers - before.arrayBuffers < 8_000_000);
  assert.ok(collector.take().equals(Buffer.alloc(1_000_000, 'x')));
});
