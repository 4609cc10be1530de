import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeWalls } from './check-walls.ts';

test('a kernel with all walls passes, and the walls are named', () => {
  assert.deepEqual(describeWalls({ landlockAbi: 7, seccomp: true }), {
    status: 'pass',
    message: 'around VMMs: Landlock 7, no new privileges, seccomp',
  });
});

test('an older kernel passes, with a note of what it does not restrict', () => {
  const { status, details } = describeWalls({ landlockAbi: 4, seccomp: true });
  assert.equal(status, 'pass');
  assert.equal(details?.length, 2);
  assert.match(details?.join() ?? '', /devices.*signals/);
});

test('a kernel without Landlock is a warning with a hint', () => {
  const { status, message, fix } = describeWalls({ landlockAbi: 0, seccomp: false });
  assert.equal(status, 'warn');
  assert.match(message, /no Landlock/);
  assert.match(fix ?? '', /CONFIG_SECURITY_LANDLOCK/);
});
