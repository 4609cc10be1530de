import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import {
  type DaemonLab,
  type LabDaemon,
  openDaemonLab,
  type StartOptions,
} from '../../support/daemon-lab.ts';

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

test('a VM that was suspended with another VMM keeps its memory; the error names the difference, and it starts cold on request', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.createVm({ name: 'web' }, { signal }));
  await resultOf(client.suspendVm('web', { signal }));
  await upgrade({ vmmVersion: 'fake 2' });
  for (const onlyResume of [true, false]) {
    await assert.rejects(resultOf(client.startVm('web', { onlyResume, signal })), {
      code: 'SAVED_GUEST_DIFFERS',
      message: /saved with the VMM fake 1, and this host has fake 2$/,
      hint: /banger vm start --cold web/,
      details: { part: 'vmm', saved: 'fake 1', here: 'fake 2', banger: '1.2.3' },
    });
    assert.deepEqual([(await client.showVm('web', { signal })).state, hasMemory(id)], ['suspended', true]);
  }
  const finding = (await client.doctor({ signal })).find(({ name }) => name === 'saved-guests');
  assert.deepEqual(
    [finding?.status, finding?.details],
    ['warn', ['web (suspended): it was saved with the VMM fake 1, and this host has fake 2']],
  );
  await upgrade({ vmmVersion: 'fake 1' });
  assert.equal((await resultOf(client.startVm('web', { onlyResume: true, signal }))).state, 'running');
  assert.equal(recordOf(id).savedBy, undefined);
  await resultOf(client.suspendVm('web', { signal }));
  await upgrade({ vmmVersion: 'fake 2' });
  const { drives } = recordOf(id);
  assert.equal((await resultOf(client.startVm('web', { cold: true, signal }))).state, 'running');
  assert.deepEqual([recordOf(id).drives, recordOf(id).savedBy, hasMemory(id)], [drives, undefined, false]);
  await resultOf(client.deleteVm('web', { signal }));
});

test('the record of a save names the VMM that ran the guest, which may be older than the installed one', async () => {
  const { client } = lab;
  await upgrade({ vmmVersion: 'fake 1' });
  const { id } = await resultOf(client.createVm({ name: 'old' }, { signal }));
  await upgrade({ vmmVersion: 'fake 2' });
  await resultOf(client.suspendVm('old', { signal }));
  assert.equal(recordOf(id).savedBy?.kind?.parts.vmm.name, 'fake 1');
  await resultOf(client.deleteVm('old', { signal }));
});

test('a guest with an unsupported generation of the agent is refused before it runs, so no memory is lost', async () => {
  const { client, guests } = lab;
  const { id } = await resultOf(client.createVm({ name: 'web' }, { signal }));
  guests.agentGeneration = 99;
  await resultOf(client.suspendVm('web', { signal }));
  guests.isForeign = true;
  await assert.rejects(resultOf(client.startVm('web', { signal })), {
    code: 'SAVED_GUEST_DIFFERS',
    message: /saved with the guest agent generation 99, and this host has generations? [0-9 to]+$/,
  });
  guests.isForeign = false;
  guests.agentGeneration = undefined;
  assert.deepEqual([(await client.showVm('web', { signal })).state, hasMemory(id)], ['suspended', true]);
  await resultOf(client.deleteVm('web', { signal }));
});

test('a VM that an older version has suspended is tried, and kept when the VMM refuses it', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.createVm({ name: 'web' }, { signal }));
  await resultOf(client.suspendVm('web', { signal }));
  await upgrade({ vmmVersion: 'fake 2' }, () =>
    lab.withRecords((records) => {
      const { savedBy: _, ...older } = records.get(id) ?? assert.fail('it has a record');
      records.update(older);
    }),
  );
  const statePath = join(dirOf(id), 'suspended', 'state');
  const state = await readFile(statePath);
  await writeFile(statePath, 'content that no VMM accepts');
  await assert.rejects(resultOf(client.startVm('web', { signal })), { code: 'VMM_RESTORE_FAILED' });
  assert.deepEqual([(await client.showVm('web', { signal })).state, hasMemory(id)], ['suspended', true]);
  await writeFile(statePath, state);
  assert.equal((await resultOf(client.startVm('web', { onlyResume: true, signal }))).state, 'running');
  await resultOf(client.deleteVm('web', { signal }));
});

test('a snapshot of another VMM is refused while the VM keeps running, and doctor names it', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.createVm({ name: 'web' }, { signal }));
  await resultOf(client.createSnapshot('web', { tag: 'one' }, { signal }));
  await upgrade({ vmmVersion: 'fake 3' });
  const { runtime } = await client.showVm('web', { signal });
  await assert.rejects(resultOf(client.restoreSnapshot('web', 'one', { signal })), {
    code: 'SAVED_GUEST_DIFFERS',
    message: /saved with the VMM fake 2, and this host has fake 3$/,
    hint: /banger vm snapshot restore --cold web one/,
  });
  assert.deepEqual((await client.showVm('web', { signal })).runtime, runtime);
  const finding = (await client.doctor({ signal })).find(({ name }) => name === 'saved-guests');
  assert.match(String(finding?.details), /^web one \(snapshot\): it was saved with the VMM fake 2/);
  await resultOf(client.deleteVm(id, { signal }));
  const after = (await client.doctor({ signal })).find(({ name }) => name === 'saved-guests');
  assert.equal(after?.status, 'pass');
});

test('the guest is synced before its drives are copied to a snapshot, with a warning if it does not answer', async () => {
  const { client, guests } = lab;
  await resultOf(client.createVm({ name: 'web' }, { signal }));
  const before = guests.syncCount;
  await resultOf(client.createSnapshot('web', { tag: 'one' }, { signal }));
  assert.equal(guests.syncCount, before + 1);
  guests.syncError = new AppError('GUEST_FAILED', 'This guest cannot sync');
  const notices: string[] = [];
  const work = client.createSnapshot('web', { tag: 'two' }, { signal });
  for await (const event of work) if (event.event === 'notice') notices.push(event.message);
  guests.syncError = undefined;
  assert.match(notices.join(), /did not write its data to disk/);
  await resultOf(client.deleteVm('web', { signal }));
});

/** Another daemon, with another VMM; running VMs keep theirs. */
async function upgrade(options: StartOptions, meanwhile: () => void = () => {}): Promise<void> {
  await daemon[Symbol.asyncDispose]();
  meanwhile();
  daemon = await lab.start({ canSave: true, ...options });
}

function recordOf(id: string): VmRecord {
  return lab.withRecords((records) => records.get(id)) ?? assert.fail('it has a record');
}

function hasMemory(id: string): boolean {
  return ['memory', 'state'].every((name) => existsSync(join(dirOf(id), 'suspended', name)));
}

function dirOf(id: string): string {
  return join(lab.settings.paths.vmsDir, id);
}
