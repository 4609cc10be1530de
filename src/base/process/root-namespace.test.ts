import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inRootNamespace } from './root-namespace.ts';

test('root gets mount and process namespaces, and no user namespace', () => {
  const argv = inRootNamespace(['true', '--x'], { uid: 0 });
  assert.deepEqual(argv.slice(-3), ['--', 'true', '--x']);
  assert.ok(argv.includes('--mount') && argv.includes('--pid'));
  assert.ok(!argv.includes('--user'));
});

test('an ordinary user becomes root with the subordinate ids mapped', () => {
  const argv = inRootNamespace(['true'], { uid: 1000 });
  assert.ok(['--user', '--map-auto', '--map-root-user'].every((flag) => argv.includes(flag)));
});

test('the command and its children die with its parent', () => {
  const argv = inRootNamespace(['true'], { uid: 0 });
  assert.deepEqual(argv.slice(0, 3), ['setpriv', '--pdeathsig', 'KILL']);
  assert.ok(argv.includes('--kill-child=SIGKILL'));
});
