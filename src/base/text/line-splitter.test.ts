import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.ts';

test('lines are complete, however the stream is split', () => {
  const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ''));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(500)), (lines, cuts) => {
      const stream = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const at = [...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
      const splitter = new LineSplitter();
      let from = 0;
      const found = at.flatMap((end) => {
        const chunk = stream.subarray(from, end);
        from = end;
        return splitter.push(chunk);
      });
      assert.deepEqual(found, stream.toString().split('\n').slice(0, -1));
    }),
  );
});

test('an unfinished line is held back', () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push(Buffer.from('a\nb')), ['a']);
  assert.deepEqual(splitter.push(Buffer.from('\n\n')), ['b', '']);
});

test('a line may have exactly the maximum length', () => {
  const splitter = new LineSplitter(4);
  assert.deepEqual(splitter.push(Buffer.from('abcd\nabcd\n')), ['abcd', 'abcd']);
  assert.deepEqual(splitter.push(Buffer.from('abcd')), []);
  assert.throws(() => splitter.push(Buffer.from('e')), { code: 'LINE_TOO_LONG' });
});
