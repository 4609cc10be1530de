import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { ForkVmRequest } from '../../../src/protocol/api/vm-requests.ts';
import { resultOf, type WorkNews } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();

let lab: DaemonLab;
let daemon: LabDaemon;

before(async () => {
  lab = await openDaemonLab();
  daemon = await lab.start({ canSave: true });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

test('a suspended VM has no process, and continues when it is started or resumed', async () => {
  const { client } = lab;
  const made = await resultOf(client.createVm({ name: 'web' }, { signal }));
  for (const onlyResume of [false, true]) {
    const suspended = await resultOf(client.suspendVm('web', { signal }));
    assert.deepEqual([suspended.state, suspended.runtime], ['suspended', undefined]);
    assert.equal((await lab.leftovers()).processes, 0);
    assert.equal((await resultOf(client.suspendVm('web', { signal }))).state, 'suspended', 'twice is fine');
    const news: WorkNews[] = [];
    const resumed = await resultOf(client.startVm('web', { onlyResume, signal }), (one) => news.push(one));
    assert.deepEqual([resumed.id, resumed.state], [made.id, 'running']);
    assert.ok(news.some((one) => one.event === 'progress' && one.stage === 'restore'));
    assert.ok(!(await readdir(vmDir(made.id))).includes('suspended'));
  }
});

test('only a running VM can be suspended, and only a suspended one resumed', async () => {
  await resultOf(lab.client.stopVm('web', { signal }));
  await assert.rejects(resultOf(lab.client.suspendVm('web', { signal })), { code: 'VM_NOT_RUNNING' });
  await assert.rejects(resultOf(lab.client.startVm('web', { onlyResume: true, signal })), {
    code: 'VM_NOT_SUSPENDED',
  });
  await assert.rejects(resultOf(lab.client.forkVm('web', {}, { signal })), { code: 'VM_NOT_RUNNING' });
});

test('a suspended VM outlives the daemon, and loses its memory when it is stopped or booted', async () => {
  const { client } = lab;
  await resultOf(client.startVm('web', { signal }));
  await resultOf(client.suspendVm('web', { signal }));
  await daemon[Symbol.asyncDispose]();
  daemon = await lab.start({ canSave: true });
  assert.equal((await client.showVm('web', { signal })).state, 'suspended');
  assert.equal((await resultOf(client.stopVm('web', { signal }))).state, 'stopped');
  await resultOf(client.startVm('web', { signal }));
  const { id } = await resultOf(client.suspendVm('web', { signal }));
  const news: WorkNews[] = [];
  await resultOf(client.startVm('web', { cold: true, signal }), (one) => news.push(one));
  assert.ok(news.some((one) => one.event === 'notice' && /memory of vm .* is discarded/.test(one.message)));
  assert.ok(news.some((one) => one.event === 'progress' && one.stage === 'boot'));
  assert.ok(!(await readdir(vmDir(id))).includes('suspended'));
});

test('a guest that cannot be restored stays suspended', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.suspendVm('web', { signal }));
  const statePath = join(vmDir(id), 'suspended', 'state');
  await writeFile(statePath, 'spoiled');
  await assert.rejects(resultOf(client.startVm('web', { signal })), { code: 'VMM_RESTORE_FAILED' });
  assert.equal((await client.showVm('web', { signal })).state, 'suspended');
  await writeFile(statePath, id);
  assert.equal((await resultOf(client.startVm('web', { signal }))).state, 'running');
});

test('a resume that fails after the guest has run is not repeated, because its drives have changed', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.suspendVm('web', { signal }));
  lab.guests.personaliseError = new AppError('GUEST_FAILED', 'clock: no');
  await assert.rejects(resultOf(client.startVm('web', { signal })), { code: 'GUEST_PERSONALISE_FAILED' });
  lab.guests.personaliseError = undefined;
  assert.equal((await client.showVm('web', { signal })).state, 'stopped');
  assert.ok(!(await readdir(vmDir(id))).includes('suspended'));
  assert.equal((await lab.leftovers()).processes, 0);
  await resultOf(client.startVm('web', { signal }));
});

test('forks are independent VMs with their own names, and the source keeps running', async () => {
  const { client } = lab;
  const source = await client.showVm('web', { signal });
  const { vms } = await resultOf(client.forkVm('web', { names: ['try'], count: 3 }, { signal }));
  assert.deepEqual(
    vms.map(({ name, state }) => [name, state]),
    [
      ['try', 'running'],
      ['web-1', 'running'],
      ['web-2', 'running'],
    ],
  );
  assert.equal(new Set([source.id, ...vms.map(({ id }) => id)]).size, 4);
  const identities = lab.guests.personalised
    // Without those that only set a clock, which may come at any time.
    .filter(({ machineId }) => machineId)
    .slice(-3)
    .map(({ hostname, machineId }) => `${hostname} ${machineId}`)
    .sort();
  assert.deepEqual(
    identities.map((text) => text.split(' ')[0]),
    ['try', 'web-1', 'web-2'],
  );
  assert.equal(new Set(identities.map((text) => text.split(' ')[1])).size, 3);
  assert.deepEqual((await client.showVm('web', { signal })).runtime, source.runtime);
  assert.deepEqual(
    (await readdir(vmDir(source.id))).filter((name) => name.startsWith('capture-')),
    [],
  );
  const again = await resultOf(client.forkVm('try', {}, { signal }));
  assert.deepEqual(
    again.vms.map(({ name }) => name),
    ['try-1'],
  );
});

test('impossible forks are refused before anything is created, and if one fails, all are deleted', async () => {
  const { client } = lab;
  const before = await lab.leftovers();
  const refused: [Omit<ForkVmRequest, 'ephemeral'>, string][] = [
    [{ count: 0 }, 'VM_COUNT_INVALID'],
    [{ count: 101 }, 'VM_COUNT_INVALID'],
    [{ names: ['a', 'b'], count: 1 }, 'VM_COUNT_INVALID'],
    [{ names: ['web'] }, 'VM_NAME_TAKEN'],
    [{ names: ['same', 'same'] }, 'VM_NAME_TAKEN'],
    [{ names: ['Not this'] }, 'VM_NAME_INVALID'],
  ];
  for (const [request, code] of refused) {
    await assert.rejects(resultOf(client.forkVm('web', request, { signal })), { code });
  }
  let count = 0;
  const { push } = lab.guests.personalised;
  lab.guests.personalised.push = (...all) => {
    // Without those that only ask for the clock.
    if (all.some(({ machineId }) => machineId)) count += 1;
    if (count === 3) throw new AppError('GUEST_FAILED', 'machine-id: no');
    return push.apply(lab.guests.personalised, all);
  };
  await assert.rejects(resultOf(client.forkVm('web', { count: 4 }, { signal })), {
    code: 'GUEST_PERSONALISE_FAILED',
  });
  lab.guests.personalised.push = push;
  assert.deepEqual(await lab.leftovers(), before);
});

test('ephemeral forks are deleted with their lease', async () => {
  const { client } = lab;
  const before = await lab.leftovers();
  {
    await using lease = await client.leaseForks('web', { count: 2 }, { signal });
    assert.equal(lease.value.vms.length, 2);
    assert.equal((await lab.leftovers()).processes, before.processes + 2);
  }
  const isAsBefore = async (): Promise<boolean> => isDeepStrictEqual(await lab.leftovers(), before);
  await until(isAsBefore, { what: 'nothing to be left of the forks' });
});

function vmDir(id: string): string {
  return join(lab.settings.paths.vmsDir, id);
}
