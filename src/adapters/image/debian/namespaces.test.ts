import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstFreeSubId, hasSubIds } from './namespaces.ts';

const user = { user: 'ann', uid: 1000 };

test('a range is found by the name or the number of the user, and must be large enough', () => {
  assert.ok(hasSubIds('root:100000:65536\nann:165536:65536\n', user));
  assert.ok(hasSubIds('1000:100000:65536\n', user));
  assert.ok(!hasSubIds('ann:100000:1000\n', user));
  assert.ok(!hasSubIds('anna:100000:65536\n', user));
  assert.ok(!hasSubIds('', user));
});

test('the suggested range overlaps no other', () => {
  assert.equal(firstFreeSubId(['', '']), 100_000);
  assert.equal(firstFreeSubId(['ann:100000:65536\n', 'bob:165536:65536\nbad line\n']), 231_072);
});
