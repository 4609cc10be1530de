import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kill } from 'node:process';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();

/** The files in the folder of a VM that runs or is stopped. */
const OWN_FILES = ['console.log', 'overlay.raw', 'work.raw'];

let lab: DaemonLab;
let daemon: LabDaemon;
let id: string;

before(async () => {
  lab = await openDaemonLab();
  daemon = await lab.start({ canSave: true });
  ({ id } = await resultOf(lab.client.createVm({ name: 'web' }, { signal })));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

test('saved memory is deleted by the next daemon when one dies after it was resumed or discarded and before it was deleted', async () => {
  for (const state of ['running', 'stopped'] as const) {
    if (state === 'stopped') await resultOf(lab.client.stopVm('web', { signal }));
    await meanwhile(async () => {
      await mkdir(join(dirOf(id), 'suspended'));
      await writeFile(join(dirOf(id), 'suspended', 'memory'), '');
    });
    assert.equal((await lab.client.showVm('web', { signal })).state, state);
    assert.deepEqual(await namesOf(id), OWN_FILES, state);
  }
  await resultOf(lab.client.startVm('web', { signal }));
});

test('a guest whose daemon died during a suspend gets its network connection back, if it had one', async () => {
  for (const nat of [true, false]) {
    const { id: vmId } = await resultOf(lab.client.createVm({ name: `nat-${nat}`, nat }, { signal }));
    await meanwhile(() => update(vmId, { state: 'suspending' }));
    assert.equal((await lab.client.showVm(vmId, { signal })).state, 'running');
    // The others that the daemon takes over have no network.
    assert.equal(lab.guests.natCalls.splice(0).includes(true), nat);
    await resultOf(lab.client.deleteVm(vmId, { signal }));
  }
});

test('replaced drives and their folder are deleted after a restore, also if the daemon died before it had deleted them', async () => {
  const { client } = lab;
  await resultOf(client.createSnapshot('web', { tag: 'one' }, { signal }));
  await resultOf(client.restoreSnapshot('web', 'one', { signal }));
  await resultOf(client.restoreSnapshot('web', 'one', { signal }));
  const [drives, ...others] = (await namesOf(id)).filter((name) => name.startsWith('drives-'));
  const own = ['console.log', drives, 'snapshots'];
  assert.deepEqual([await namesOf(id), others], [own, []]);
  await meanwhile(async () => {
    for (const name of ['overlay.raw', 'work.raw']) await writeFile(join(dirOf(id), name), '');
  });
  assert.deepEqual(await namesOf(id), own);
});

test('a restore that fails to copy the drives of its snapshot leaves none', async () => {
  const { client } = lab;
  await truncate(join(dirOf(id), 'snapshots', 'one', 'work.raw'), 4096);
  await assert.rejects(resultOf(client.restoreSnapshot('web', 'one', { signal })));
  assert.equal((await namesOf(id)).filter((name) => name.startsWith('drives-')).length, 1);
});

test('a VM whose first start was interrupted between its drives and their record can be started', async () => {
  const { client } = lab;
  const { id: vmId } = await resultOf(client.createVm({ name: 'late', noStart: true }, { signal }));
  await meanwhile(async () => {
    update(vmId, { state: 'starting' });
    for (const name of ['overlay.raw', 'work.raw']) await writeFile(join(dirOf(vmId), name), '');
  });
  assert.equal((await resultOf(client.startVm(vmId, { signal }))).state, 'running');
  await resultOf(client.deleteVm(vmId, { signal }));
});

test('saved memory is synced soon, also if the daemon died before', async () => {
  const { client } = lab;
  const { id: vmId } = await resultOf(client.createVm({ name: 'synced' }, { signal }));
  await resultOf(client.suspendVm(vmId, { signal }));
  for (const unsyncedIn of [undefined, await hostBoot()]) {
    await meanwhile(() => {
      assert.equal(unsyncedOf(vmId), undefined);
      if (unsyncedIn !== undefined) update(vmId, { unsyncedIn });
    });
  }
  await meanwhile(() => assert.equal(unsyncedOf(vmId), undefined));
  assert.equal((await resultOf(client.startVm(vmId, { onlyResume: true, signal }))).state, 'running');
  await resultOf(client.deleteVm(vmId, { signal }));
});

for (const [why, spoil] of [
  [
    'the host crashed before it was synced',
    (vmId: string) => update(vmId, { unsyncedIn: 'another run of the host' }),
  ],
  [
    'it cannot be synced',
    async (vmId: string) => {
      update(vmId, { unsyncedIn: await hostBoot() });
      await rm(join(dirOf(vmId), 'suspended', 'memory'));
    },
  ],
] as const) {
  test(`saved memory is discarded when ${why}: the VM starts as after a power cut`, async () => {
    const { client } = lab;
    const { id: vmId } = await resultOf(client.createVm({ name: 'lost' }, { signal }));
    await resultOf(client.suspendVm(vmId, { signal }));
    await meanwhile(() => spoil(vmId));
    const { state, lastError } = await resultOf(client.waitForVm(vmId, { until: 'stopped' }, { signal }));
    assert.deepEqual([state, lastError?.code], ['stopped', 'VM_MEMORY_LOST']);
    const started = await resultOf(client.startVm(vmId, { signal }));
    assert.deepEqual([started.state, started.lastError], ['running', undefined]);
    assert.deepEqual(await namesOf(vmId), OWN_FILES);
    await resultOf(client.deleteVm(vmId, { signal }));
  });
}

test('a suspend whose VMM dies ends at once, and the VM is stopped', async () => {
  const { client } = lab;
  const { id: vmId } = await resultOf(client.createVm({ name: 'dying' }, { signal }));
  const pid = (await client.showVm(vmId, { signal })).runtime?.pid ?? 0;
  kill(pid, 'SIGSTOP');
  const suspending = assert.rejects(resultOf(client.suspendVm(vmId, { signal })), { code: 'VMM_LOST' });
  await until(async () => (await client.showVm(vmId, { signal })).state === 'suspending');
  kill(pid, 'SIGKILL');
  await soon(30_000, suspending);
  await resultOf(client.waitForVm(vmId, { until: 'stopped' }, { signal }));
  await resultOf(client.deleteVm(vmId, { signal }));
});

/** Runs `work` while no daemon runs. */
async function meanwhile(work: () => Promise<void> | void): Promise<void> {
  await daemon[Symbol.asyncDispose]();
  await work();
  daemon = await lab.start({ canSave: true });
}

function update(vmId: string, fields: Partial<VmRecord>): void {
  lab.withRecords((records) => {
    const record = records.get(vmId);
    assert.ok(record);
    records.update({ ...record, ...fields });
  });
}

function unsyncedOf(vmId: string): string | undefined {
  return lab.withRecords((records) => records.get(vmId)?.unsyncedIn);
}

async function hostBoot(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

async function namesOf(vmId: string): Promise<string[]> {
  return (await readdir(dirOf(vmId))).filter((name) => name !== 'vmm.log').sort();
}

function dirOf(vmId: string): string {
  return join(lab.settings.paths.vmsDir, vmId);
}
