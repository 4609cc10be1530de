import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts, poll, sleep } from '../../../src/base/abort.ts';
import type { VmState } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';

const signal = neverAborts();
const AFTER_MS = 2_500;

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  const { configFile } = lab.settings.paths;
  await mkdir(dirname(configFile), { recursive: true });
  await writeFile(configFile, `auto_stop_stale_after = "${AFTER_MS}ms"\n`);
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const stateOf = async (name: string): Promise<VmState> => (await lab.client.showVm(name, { signal })).state;

test('a VM that nobody uses is stopped in order; one in use, or that a client holds, goes on', async () => {
  await resultOf(lab.client.createVm({ name: 'stale' }, { signal }));
  await resultOf(lab.client.createVm({ name: 'used' }, { signal }));
  await using lease = await lab.client.leaseVm({ name: 'leased' }, { signal });
  const synced = lab.guests.syncCount;
  const session = await lab.client.exec('used', shell('sleep 300'), { signal });
  // Looking at it is no use of it.
  await poll(async () => (await stateOf('stale')) === 'stopped' || undefined, {
    everyMs: 20,
    deadlineMs: 55_000,
    what: 'the VM to be stopped',
    signal,
  });
  assert.ok(lab.guests.syncCount > synced);
  await sleep(AFTER_MS, { signal });
  assert.deepEqual([await stateOf('used'), await stateOf(lease.vm.id)], ['running', 'running']);
  session[Symbol.dispose]();
  const stopped = await resultOf(
    lab.client.waitForVm('used', { until: 'stopped', timeoutMs: 10_000 }, { signal }),
  );
  assert.equal(stopped.state, 'stopped');
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  );
});
