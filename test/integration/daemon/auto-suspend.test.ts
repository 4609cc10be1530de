import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { dirname } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { VmState } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { IdleClock } from '../../support/idle-clock.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const MINUTE_MS = 60_000;

let lab: DaemonLab;
const clock = new IdleClock();

before(async () => {
  lab = await openDaemonLab();
  const { configFile } = lab.settings.paths;
  await mkdir(dirname(configFile), { recursive: true });
  // Without measurements a guest's traffic is unknown.
  await writeFile(configFile, 'auto_suspend_after = "1h"\nstats_poll_interval = "0"\n');
  await lab.start({ canSave: true, idleClock: clock });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const stateOf = async (name: string): Promise<VmState> => (await lab.client.showVm(name, { signal })).state;

const suspended = (name: string): Promise<void> =>
  until(async () => (await stateOf(name)) === 'suspended', { what: `"${name}" to be suspended` });

test('a VM that is unused for the configured time is suspended, and continues when it is resumed', async () => {
  await resultOf(lab.client.createVm({ name: 'idle' }, { signal }));
  await clock.hasLooked();
  clock.advance(59 * MINUTE_MS);
  await clock.hasLooked();
  assert.equal(await stateOf('idle'), 'running');
  clock.advance(2 * MINUTE_MS);
  await suspended('idle');

  await resultOf(lab.client.startVm('idle', { signal, onlyResume: true }));
  await clock.hasLooked();
  assert.equal(await stateOf('idle'), 'running', 'a resume counts as use');
  clock.advance(61 * MINUTE_MS);
  await suspended('idle');
  await resultOf(lab.client.deleteVm('idle', { signal }));
});

test('a session, a stream to a port, a lease, and possible network traffic keep a VM running', async () => {
  const server = createServer((socket) => socket.on('error', () => {})).unref();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  for (const name of ['session', 'port']) await resultOf(lab.client.createVm({ name }, { signal }));
  await resultOf(lab.client.createVm({ name: 'network', nat: true }, { signal }));
  await using lease = await lab.client.leaseVm({ name: 'leased' }, { signal });
  const session = await lab.client.exec('session', shell('sleep 300'), { signal });
  const stream = await lab.client.openPort('port', port, { signal });
  await clock.hasLooked();
  for (let hour = 0; hour < 3; hour += 1) {
    clock.advance(61 * MINUTE_MS);
    await clock.hasLooked();
  }
  for (const name of ['session', 'port', 'network', lease.vm.name]) {
    assert.equal(await stateOf(name), 'running', name);
  }
  session[Symbol.dispose]();
  stream.destroy();
  await clock.hasLooked();
  assert.equal(await stateOf('session'), 'running', 'the time counts from the end of the session');
  // The daemon may notice the end a moment later.
  await until(async () => {
    clock.advance(61 * MINUTE_MS);
    return (await stateOf('session')) === 'suspended' && (await stateOf('port')) === 'suspended';
  });
  assert.equal(await stateOf('network'), 'running');
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  );
});
