import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryPauses } from './retry-pauses.ts';

test('each pause is twice the one before, up to the longest, and begins again after a success', () => {
  const pauses = new RetryPauses({ firstMs: 250, longestMs: 1_500 });
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => pauses.next()),
    [250, 500, 1_000, 1_500, 1_500],
  );
  pauses.reset();
  assert.deepEqual([pauses.next(), pauses.next()], [250, 500]);
});
