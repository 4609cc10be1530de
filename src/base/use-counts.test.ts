import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UseCounts } from './use-counts.ts';

test('a key is in use until each of its uses has ended, however often one of them is ended', () => {
  const uses = new UseCounts();
  const [first, second] = [uses.hold('a'), uses.hold('a')];
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.deepEqual([uses.has('a'), uses.has('b')], [true, false]);
  second[Symbol.dispose]();
  assert.equal(uses.has('a'), false);
});
