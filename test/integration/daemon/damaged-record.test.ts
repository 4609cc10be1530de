import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let id: string;

before(async () => {
  lab = await openDaemonLab();
  await using _daemon = await lab.start();
  ({ id } = await resultOf(lab.client.createVm({ name: 'web' }, { signal })));
  await resultOf(lab.client.createVm({ name: 'db' }, { signal }));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

test('a damaged record is reported, affects no other VM, and does not harm its own VM', async () => {
  const whole = spoil('{"id": "half of a rec"}');
  {
    await using _daemon = await lab.start();
    const { client } = lab;
    const listed = await client.listVms({ isAll: true, signal });
    assert.deepEqual(
      listed.map(({ name, state, lastError }) => [name, state, lastError?.code]),
      [
        ['db', 'running', undefined],
        ['web', 'error', 'VM_RECORD_DAMAGED'],
      ],
    );
    using session = await client.exec('db', shell('echo alive'), { signal });
    assert.equal((await session.collect()).stdout.toString(), 'alive\n');
    for (const ref of ['web', id, id.slice(0, 6)]) {
      await assert.rejects(client.showVm(ref, { signal }), {
        code: 'VM_RECORD_DAMAGED',
        message: /"web".*"name" is missing/,
      });
    }
    await assert.rejects(resultOf(client.deleteVm('web', { onlyResting: true, signal })), {
      code: 'VM_RECORD_DAMAGED',
    });
    await assert.rejects(resultOf(client.createVm({ name: 'web' }, { signal })), { code: 'VM_NAME_TAKEN' });
    const { fixed } = await client.fixHost({ signal });
    const records = (await client.doctor({ signal })).find(({ name }) => name === 'records');
    assert.deepEqual([records?.status, records?.message.slice(0, 14), fixed], ['fail', '1 of 2 damaged', []]);
    assert.match(String(records?.details), /^web /);
    assert.ok(lab.logged.some(({ level, vm }) => level === 'error' && vm === 'web'));
  }
  assert.equal((await lab.leftovers()).processes, 2);
  spoil(whole);
  await using _daemon = await lab.start();
  assert.equal((await lab.client.showVm('web', { signal })).state, 'running');
});

test('a VM with a damaged record can be deleted', async () => {
  spoil('null');
  await using _daemon = await lab.start();
  const gone = await resultOf(lab.client.deleteVm('web', { signal }));
  assert.deepEqual([gone.name, gone.lastError?.code], ['web', 'VM_RECORD_DAMAGED']);
  assert.equal(existsSync(join(lab.settings.paths.vmsDir, id)), false);
  assert.deepEqual(await lab.leftovers(), {
    records: ['db'],
    folders: (await lab.leftovers()).folders.filter((folder) => folder !== id),
    processes: 1,
  });
});

/** Replaces the VM's record by `text`, and returns the former text; no daemon runs. */
function spoil(text: string): string {
  using db = new DatabaseSync(lab.settings.paths.recordsFile);
  const before = db.prepare('SELECT record FROM vms WHERE id = ?').get(id)?.['record'];
  db.prepare('UPDATE vms SET record = ? WHERE id = ?').run(text, id);
  return String(before);
}
