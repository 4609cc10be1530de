import assert from 'node:assert/strict';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let id: string;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({ canSave: true });
  ({ id } = await resultOf(lab.client.createVm({ name: 'web' }, { signal })));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

test('a snapshot with its drives can be restored more than once', async () => {
  const { client } = lab;
  await writeDrive('then');
  const made = await resultOf(client.createSnapshot('web', { tag: 'one' }, { signal }));
  assert.deepEqual([made.tag, made.shape.memoryMib], ['one', 128]);
  for (const round of [1, 2]) {
    await writeDrive(`later ${round}`);
    const restored = await resultOf(client.restoreSnapshot('web', 'one', { signal }));
    assert.deepEqual([restored.id, restored.state], [id, 'running']);
    assert.equal(await readDrive(), 'then');
  }
  assert.equal((await lab.leftovers()).processes, 1);
});

test('a stopped VM can be restored, too, with its former shape', async () => {
  const { client } = lab;
  await resultOf(client.stopVm('web', { signal }));
  await resultOf(client.setVm('web', { memoryMib: 256 }, { signal }));
  const restored = await resultOf(client.restoreSnapshot('web', 'one', { signal }));
  assert.deepEqual([restored.state, restored.shape.memoryMib], ['running', 128]);
});

test('snapshots are listed oldest first, named by the time by default, and deleted', async () => {
  const { client } = lab;
  const { tag } = await resultOf(client.createSnapshot('web', {}, { signal }));
  assert.match(tag, /^[0-9]{8}-[0-9]{6}$/);
  assert.deepEqual(
    (await client.listSnapshots('web', { signal })).map((one) => one.tag),
    ['one', tag],
  );
  await client.deleteSnapshot('web', tag, { signal });
  assert.deepEqual(
    (await client.listSnapshots('web', { signal })).map((one) => one.tag),
    ['one'],
  );
});

test('invalid requests are refused, and change nothing', async () => {
  const { client } = lab;
  await assert.rejects(resultOf(client.createSnapshot('web', { tag: 'one' }, { signal })), {
    code: 'SNAPSHOT_EXISTS',
    hint: 'give another tag, or delete that one: banger vm snapshot delete web one',
  });
  for (const tag of ['', '.hidden', 'a/b', 'UPPER', 'x'.repeat(64)]) {
    await assert.rejects(resultOf(client.createSnapshot('web', { tag }, { signal })), {
      code: 'SNAPSHOT_TAG_INVALID',
    });
    await assert.rejects(async () => await client.deleteSnapshot('web', tag, { signal }), {
      code: 'SNAPSHOT_NOT_FOUND',
    });
  }
  await assert.rejects(resultOf(client.restoreSnapshot('web', 'none', { signal })), {
    code: 'SNAPSHOT_NOT_FOUND',
    hint: 'banger vm snapshot list web',
  });
  assert.equal((await client.showVm('web', { signal })).state, 'running');
  await resultOf(client.createVm({ name: 'off', noStart: true }, { signal }));
  await assert.rejects(resultOf(client.createSnapshot('off', {}, { signal })), { code: 'VM_NOT_RUNNING' });
});

test('a damaged snapshot is refused before the VM is changed', async () => {
  const { client } = lab;
  await resultOf(client.createSnapshot('web', { tag: 'bad' }, { signal }));
  const dir = join(lab.settings.paths.vmsDir, id, 'snapshots', 'bad');
  await writeFile(join(dir, 'state'), 'x', { flag: 'r+' });
  const { runtime } = await client.showVm('web', { signal });
  await assert.rejects(resultOf(client.restoreSnapshot('web', 'bad', { signal })), {
    code: 'SNAPSHOT_DAMAGED',
    hint: 'delete it: banger vm snapshot delete web bad',
  });
  await truncate(join(dir, 'memory'), 1);
  await assert.rejects(resultOf(client.restoreSnapshot('web', 'bad', { signal })), {
    code: 'SNAPSHOT_NOT_FOUND',
  });
  assert.deepEqual((await client.showVm('web', { signal })).runtime, runtime);
});

test('snapshots are deleted with their VM', async () => {
  await resultOf(lab.client.deleteVm('web', { signal }));
  await resultOf(lab.client.deleteVm('off', { signal }));
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
});

/** The VM's work drive according to the record; no guest uses it. */
function drivePath(): string {
  const drives = lab.withRecords((records) => records.get(id)?.drives);
  return drives?.find(({ serial }) => serial === 'work')?.pathOnHost ?? '';
}

async function writeDrive(text: string): Promise<void> {
  await writeFile(drivePath(), text.padEnd(16), { flag: 'r+' });
}

async function readDrive(): Promise<string> {
  return (await readFile(drivePath())).subarray(0, 16).toString().trim();
}
