import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

const signal = neverAborts();
const NETWORK = {
  addresses: ['10.0.2.15/24', 'fec0::15/64'],
  gateways: ['10.0.2.2', 'fec0::2'],
  nameservers: ['10.0.2.3'],
};
const NO_NETWORK = { addresses: [], gateways: [], nameservers: [] };

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const setNat = (ref: string, nat: boolean): Promise<Vm> =>
  resultOf(lab.client.setVm(ref, { nat }, { signal }));

/** The network settings that guests got since the last call. */
function told(): unknown[] {
  const { personalised } = lab.guests;
  return personalised.splice(0).map(({ network }) => network);
}

test('a guest gets its network settings at each start, and at each change', async () => {
  const { client, guests } = lab;
  await resultOf(client.createVm({ name: 'alone' }, { signal }));
  await resultOf(client.createVm({ name: 'wired', nat: true }, { signal }));
  assert.deepEqual(told(), [NO_NETWORK, NETWORK]);
  assert.deepEqual([(await client.showVm('alone', { signal })).nat, guests.natCalls], [false, []]);

  assert.equal((await setNat('wired', false)).nat, false);
  assert.equal((await setNat('alone', true)).nat, true);
  assert.deepEqual(told(), [NO_NETWORK, NETWORK]);
  assert.deepEqual(guests.natCalls.splice(0), [false, true]);

  await resultOf(client.stopVm('alone', { signal }));
  assert.equal((await setNat('alone', false)).nat, false);
  assert.deepEqual([told(), guests.natCalls], [[], []]);
  await resultOf(client.startVm('alone', { signal }));
  assert.deepEqual(told(), [NO_NETWORK]);
  await assert.rejects(setNat('nobody', true), { code: 'VM_NOT_FOUND' });
});

test('a network that the VMM refuses is not recorded', async () => {
  const { client, guests } = lab;
  await resultOf(client.createVm({ name: 'refused' }, { signal }));
  told();
  guests.natError = new AppError('VMM_REFUSED', 'No');
  await assert.rejects(setNat('refused', true), { code: 'VMM_REFUSED' });
  assert.equal((await client.showVm('refused', { signal })).nat, false);
  assert.deepEqual(told(), []);
  guests.natError = undefined;
});

test('a guest that does not answer can still be disconnected, but not connected', async () => {
  const { client, guests } = lab;
  await resultOf(client.createVm({ name: 'deaf', nat: true }, { signal }));
  guests.personaliseError = new AppError('GUEST_LOST', 'It is gone');
  assert.equal((await setNat('deaf', false)).nat, false);
  assert.deepEqual(guests.natCalls.splice(0), [false]);
  await assert.rejects(setNat('deaf', true), { code: 'GUEST_LOST' });
  guests.personaliseError = undefined;
  assert.equal((await setNat('deaf', true)).nat, true);
});
