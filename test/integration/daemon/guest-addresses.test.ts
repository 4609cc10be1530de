import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { labRecord, openDaemonLab } from '../../support/daemon-lab.ts';

const signal = neverAborts();
const ADDRESS = /^127\.77\.\d+\.\d+$/;

test('every VM has a loopback address of its own for life, a fork another one', async () => {
  await using lab = await openDaemonLab();
  await lab.start({ canSave: true });
  const made = await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
  const { vms } = await resultOf(lab.client.forkVm('web', { count: 2 }, { signal }));
  const addresses = [made, ...vms].map((vm) => vm.guest_ip ?? 'none');
  for (const address of addresses) assert.match(address, ADDRESS);
  assert.equal(new Set(addresses).size, 3);
  await resultOf(lab.client.stopVm('web', { signal }));
  const started = await resultOf(lab.client.startVm('web', { signal }));
  assert.equal(started.guest_ip, made.guest_ip);
});

test('a VM of an earlier version gets an address when the daemon starts, and keeps it', async () => {
  await using lab = await openDaemonLab();
  // It makes the folders.
  await (await lab.start())[Symbol.asyncDispose]();
  lab.withRecords((records) => records.insert(labRecord({ id: 'a1b2c3', state: 'stopped' })));
  const seen: (string | undefined)[] = [];
  for (let start = 0; start < 2; start += 1) {
    await using _daemon = await lab.start();
    seen.push((await lab.client.showVm('a1b2c3', { signal })).guest_ip);
  }
  assert.match(seen[0] ?? 'none', ADDRESS);
  assert.equal(seen[1], seen[0]);
});

test('a VM whose address another daemon uses gets another one when its daemon starts', async () => {
  await using one = await openDaemonLab();
  await using two = await openDaemonLab();
  await one.start();
  const { guest_ip: guestIp = 'none' } = await resultOf(
    one.client.createVm({ name: 'web', noStart: true }, { signal }),
  );
  await (await two.start())[Symbol.asyncDispose]();
  two.withRecords((records) => records.insert(labRecord({ id: 'a1b2c3', state: 'stopped', guestIp })));
  await two.start();
  const moved = await two.client.showVm('a1b2c3', { signal });
  assert.match(moved.guest_ip ?? 'none', ADDRESS);
  assert.notEqual(moved.guest_ip, guestIp);
});
