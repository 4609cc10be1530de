import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import type { ConnectOptions, GuestConnector } from '../ports/guest.ts';
import type { RunningVm } from '../ports/vmm/running-vm.ts';
import { LiveVms } from './live-vms.ts';

const ID = '0123456789ab';
const meeting = { signal: neverAborts(), helloDeadlineMs: 1 };

function runningVm(isStalled: boolean): RunningVm {
  return {
    isStalled,
    guestEndpoint: { kind: 'unix', path: '/none' },
    exited: new Promise(() => {}),
    onResume: () => {},
    detach: () => {},
  } as unknown as RunningVm;
}

test('errors of an unreachable guest name its VM, by its id only if it has no name', async () => {
  const names = new Map<string, string>();
  const connector: GuestConnector = { connect: () => assert.fail('no guest may be connected') };
  const live = new LiveVms(connector, { nameOf: (vmId) => names.get(vmId) });
  await assert.rejects(live.agent(ID, meeting), { message: /of vm "0123456789ab": it is not running$/ });
  names.set(ID, 'web');
  await assert.rejects(live.agent(ID, meeting), { message: /of vm "web": it is not running$/ });
  live.add(ID, runningVm(true));
  await assert.rejects(live.agent(ID, meeting), {
    code: 'HOST_NO_SPACE',
    message: /of vm "web": it is paused/,
  });
  names.set(ID, 'renamed');
  await assert.rejects(live.agent(ID, meeting), { message: /of vm "renamed": it is paused/ });
});

test('errors of a link use the current name of the VM, also after a rename', async () => {
  let name = 'web';
  let given: ConnectOptions | undefined;
  const connector: GuestConnector = {
    connect: (_endpoint, options) => {
      given = options;
      throw new Error('met');
    },
  };
  const live = new LiveVms(connector, { nameOf: () => name });
  live.add(ID, runningVm(false));
  await assert.rejects(live.agent(ID, meeting), { message: 'met' });
  name = 'renamed';
  assert.equal(given?.vmName?.(), 'renamed');
});
