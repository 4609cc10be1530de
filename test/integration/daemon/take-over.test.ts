import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { test } from 'node:test';
import { neverAborts, sleep } from '../../../src/base/abort.ts';
import type { AppError } from '../../../src/base/errors.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();

/** `ms` for requests that must not wait for a VMM that hangs. */
const SOON_MS = 8_000;

/** VMs of an earlier daemon whose VMMs hang now: their names and processes. */
async function hungVms(lab: DaemonLab, names: readonly string[]): Promise<Map<string, number>> {
  await using _daemon = await lab.start();
  const pids = new Map<string, number>();
  for (const name of names) {
    const { runtime } = await resultOf(lab.client.createVm({ name, cold: true }, { signal }));
    assert.ok(runtime);
    pids.set(name, runtime.pid);
  }
  for (const pid of pids.values()) kill(pid, 'SIGSTOP');
  return pids;
}

test('a daemon answers even if VMMs hang: their VMs are listed and can be ended, and others can be used', async () => {
  await using lab = await openDaemonLab();
  const pids = await hungVms(lab, ['one', 'two', 'three']);
  await soon(SOON_MS, lab.start({ takeOverPatienceMs: 200 }));
  const { client } = lab;
  const listed = await soon(SOON_MS, client.listVms({ signal }));
  assert.deepEqual(
    listed.map(({ name, state }) => `${name} ${state}`),
    ['one running', 'two running', 'three running'],
  );
  assert.equal((await soon(SOON_MS, client.showVm('one', { signal }))).state, 'running');
  assert.equal((await soon(SOON_MS, client.daemonStatus({ signal }))).runningVmCount, 0);
  await soon(SOON_MS, resultOf(client.createVm({ name: 'new' }, { signal })));

  const named = (error: AppError): boolean => {
    assert.equal(error.code, 'VM_BUSY');
    assert.match(
      error.message,
      /^Cannot reach vm "one": its VMM does not answer the daemon that started [\d.]+ s ago$/,
    );
    assert.equal(error.hint, 'find out what blocks its VMM, or kill the VM: banger vm kill one');
    return true;
  };
  await soon(SOON_MS, assert.rejects(client.vmPorts('one', { signal }), named));
  await soon(SOON_MS, assert.rejects(client.vmStats('one', { signal }), named));

  // The VMM was only stopped for a while.
  const running = client.exec('one', shell('echo alive'), { signal });
  await sleep(300, { signal });
  kill(pids.get('one') ?? 0, 'SIGCONT');
  using session = await running;
  assert.equal((await session.collect()).stdout.toString(), 'alive\n');

  const killed = await soon(SOON_MS, resultOf(client.killVm('two', {}, { signal })));
  assert.equal(killed.state, 'stopped');
  await soon(SOON_MS, resultOf(client.deleteVm('three', { signal })));
  const { records, processes } = await lab.leftovers();
  assert.deepEqual([records, processes], [['one', 'two', 'new'], 2]);
});

test('work on a VM that is being adopted reports what it waits for', async () => {
  await using lab = await openDaemonLab();
  const pids = await hungVms(lab, ['web']);
  await lab.start({ takeOverPatienceMs: 200 });
  const told: string[] = [];
  const stopping = resultOf(lab.client.stopVm('web', { signal }), (news) => {
    if (news.event === 'progress') told.push(news.detail ?? news.stage);
  });
  await until(() => told.length > 0);
  kill(pids.get('web') ?? 0, 'SIGCONT');
  assert.deepEqual((await stopping).ending, { synced: true });
  assert.equal(told[0], '"web" is being taken over by this daemon');
});

test('a daemon that stops while a VMM hangs exits at once, and the next one adopts the VM', async () => {
  await using lab = await openDaemonLab();
  const pids = await hungVms(lab, ['web']);
  const daemon = await lab.start({ takeOverPatienceMs: 200 });
  daemon.abort();
  await soon(SOON_MS, daemon.ended);
  kill(pids.get('web') ?? 0, 'SIGCONT');
  await lab.start();
  const vm = await lab.client.showVm('web', { signal });
  assert.deepEqual([vm.state, vm.runtime?.pid], ['running', pids.get('web')]);
  using session = await lab.client.exec('web', shell('echo alive'), { signal });
  assert.equal((await session.collect()).stdout.toString(), 'alive\n');
});

test('a stop that an earlier daemon left unfinished is finished, with the data written', async () => {
  await using lab = await openDaemonLab();
  {
    await using _daemon = await lab.start();
    await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
  }
  lab.withRecords((records) => {
    for (const record of records.list()) records.update({ ...record, state: 'stopping' });
  });
  const synced = lab.guests.syncCount;
  await lab.start();
  assert.equal((await lab.client.showVm('web', { signal })).state, 'stopped');
  assert.ok(lab.guests.syncCount > synced);
  assert.equal((await lab.leftovers()).processes, 0);
});

test('a daemon that has VMs to adopt is not idle', async () => {
  await using lab = await openDaemonLab();
  const pids = await hungVms(lab, ['web']);
  const daemon = await lab.start({ takeOverPatienceMs: 50, idleExitMs: 300 });
  const first = await Promise.race([daemon.ended, sleep(1_500, { signal })]);
  assert.equal(first, undefined);
  kill(pids.get('web') ?? 0, 'SIGCONT');
});
