import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VmUse } from './vm-use.ts';

test('a VM is idle since the end of its last use, and never during a use', () => {
  let now = 1_000;
  const use = new VmUse(() => now);
  assert.equal(use.idleMs('a'), 0);
  now += 500;
  assert.equal(use.idleMs('a'), 500);
  const [one, two] = [use.begin('a'), use.begin('a')];
  now += 500;
  assert.equal(use.idleMs('a'), 0);
  one[Symbol.dispose]();
  one[Symbol.dispose]();
  now += 500;
  assert.equal(use.idleMs('a'), 0);
  two[Symbol.dispose]();
  now += 70;
  assert.deepEqual([use.idleMs('a'), use.idleMs('b')], [70, 0]);
});

test('a forgotten VM counts as just used, and a VM in use is not forgotten', () => {
  let now = 0;
  const use = new VmUse(() => now);
  use.idleMs('gone');
  use.idleMs('here');
  const held = use.begin('held');
  use.retainOnly(['here']);
  now = 100;
  assert.deepEqual([use.idleMs('gone'), use.idleMs('here')], [0, 100]);
  held[Symbol.dispose]();
  now = 150;
  assert.equal(use.idleMs('held'), 50);
});
