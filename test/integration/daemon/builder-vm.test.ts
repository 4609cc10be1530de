import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();

test('a daemon stops the builder that an earlier one left running, and lists leave it out', async () => {
  await using lab = await openDaemonLab();
  const { client } = lab;
  {
    await using _daemon = await lab.start();
    for (const name of ['builder', 'mine']) await resultOf(client.createVm({ name, cold: true }, { signal }));
    assert.equal((await client.listVms({ signal })).length, 2);
  }
  lab.withRecords((records) => {
    const builder = records.list().find(({ name }) => name === 'builder');
    assert.equal(builder?.state, 'running');
    records.update({ ...builder, purpose: 'builder' });
  });
  await using _daemon = await lab.start();
  await until(async () => (await client.showVm('builder', { signal })).state === 'stopped');
  const all = await client.listVms({ signal, isAll: true });
  assert.deepEqual(
    all.map(({ name, state, purpose }) => [name, state, purpose]),
    [
      ['builder', 'stopped', 'builder'],
      ['mine', 'running', undefined],
    ],
  );
  await resultOf(client.startVm('builder', { signal }));
  assert.deepEqual(
    (await client.listVms({ signal })).map(({ name }) => name),
    ['mine'],
  );
});
