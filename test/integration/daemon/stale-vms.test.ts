import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { VmState } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { IdleClock } from '../../support/idle-clock.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const HOUR_MS = 3_600_000;

const clock = new IdleClock();
let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  const { configFile } = lab.settings.paths;
  await mkdir(dirname(configFile), { recursive: true });
  await writeFile(configFile, 'auto_stop_stale_after = "1h"\n');
  await lab.start({ idleClock: clock });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const stateOf = async (name: string): Promise<VmState> => (await lab.client.showVm(name, { signal })).state;

test('an unused VM is stopped cleanly; one in use, or with a lease, keeps running', async () => {
  await resultOf(lab.client.createVm({ name: 'stale' }, { signal }));
  await resultOf(lab.client.createVm({ name: 'used' }, { signal }));
  await using lease = await lab.client.leaseVm({ name: 'leased' }, { signal });
  const synced = lab.guests.syncCount;
  const session = await lab.client.exec('used', shell('sleep 300'), { signal });
  await clock.hasLooked();
  clock.advance(HOUR_MS - 1);
  await clock.hasLooked();
  assert.equal(await stateOf('stale'), 'running');
  clock.advance(HOUR_MS);
  // Reading its state does not count as use.
  await until(async () => (await stateOf('stale')) === 'stopped');
  assert.ok(lab.guests.syncCount > synced);
  // The daemon checked these two at the same time.
  assert.deepEqual([await stateOf('used'), await stateOf(lease.vm.id)], ['running', 'running']);
  session[Symbol.dispose]();
  // The daemon may notice the end a moment later.
  await until(async () => {
    clock.advance(HOUR_MS);
    return (await stateOf('used')) === 'stopped';
  });
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  );
});
