import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeVm } from '../../../../test/support/fakes/fake-daemon.ts';
import { showVm } from './render-vm-show.ts';

test('a VM as text says whether it has NAT, as the summary of a new one does', () => {
  const textOf = (nat: boolean): string =>
    showVm(fakeVm({ name: 'web', nat }), 'text', { nowMs: Date.now() });
  assert.match(textOf(true), /^network +nat$/m);
  assert.match(textOf(false), /^network +none$/m);
});
