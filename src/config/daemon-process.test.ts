import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daemonEnvironment, withoutDaemonSettings } from './daemon-process.ts';

test('programs of the daemon have the environment of the user', () => {
  const env = { PATH: '/bin', MALLOC_ARENA_MAX: '7', HOME: undefined };
  const given = daemonEnvironment(env);
  assert.equal(given['MALLOC_ARENA_MAX'], '7');
  assert.ok(Number(given['MALLOC_MMAP_THRESHOLD_']) > 0);
  assert.deepEqual(withoutDaemonSettings(given), env);
});
