import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import type { VmState } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { runCli } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { IdleClock } from '../../support/idle-clock.ts';
import { freePort } from '../../support/network/local-server.ts';
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
  await lab.start({
    canSave: true,
    idleClock: clock,
    hasAutoPorts: true,
    servers: { gatewayPort: 0 },
  });
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

test('a running job keeps a VM running, and its end does not', async () => {
  await resultOf(lab.client.createVm({ name: 'working' }, { signal }));
  const job = await lab.client.startJob('working', shell('sleep 300'), { signal });
  for (let hour = 0; hour < 3; hour += 1) {
    clock.advance(61 * MINUTE_MS);
    await clock.hasLooked();
  }
  assert.equal(await stateOf('working'), 'running');
  assert.equal((await lab.client.killJob('working', job.id, { signal })).state, 'ended');
  await until(async () => {
    clock.advance(61 * MINUTE_MS);
    return (await stateOf('working')) === 'suspended';
  });
  await resultOf(lab.client.deleteVm('working', { signal }));
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

test('a connection to a forwarded port, through the gateway, by ssh or to an exposed port keeps a VM running', async () => {
  // It answers nothing, so every connection stays open until its client ends it.
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  lab.guests.ports = new Set([port]);
  const names = ['forwarded', 'explicit', 'gateway', 'ssh', 'exposed', 'unused'];
  for (const name of names) await resultOf(lab.client.createVm({ name }, { signal }));
  const { guest_ip: address = '' } = await lab.client.showVm('forwarded', { signal });
  const { gateway } = await lab.client.nameServers({ signal });
  const [hostPort, exposedPort] = [await freePort(), await freePort()];
  await resultOf(lab.client.forwardPort('explicit', { hostPort, guestPort: port }, { signal }));
  const reverse = { hostPort: port, guestPort: exposedPort, reverse: true };
  await resultOf(lab.client.forwardPort('exposed', reverse, { signal }));
  const open = async (host: string, to: number): Promise<Socket> => {
    const attempt = async (): Promise<Socket | undefined> => {
      const socket = connect({ host, port: to });
      return await once(socket, 'connect').then(
        () => socket,
        () => undefined,
      );
    };
    return await poll(attempt, { everyMs: 20, deadlineMs: 55_000, what: `${host}:${to}`, signal });
  };
  const sockets = [
    await open(address, port),
    await open('127.0.0.1', hostPort),
    await open('127.0.0.1', gateway.port ?? 0),
    await open('127.0.0.1', exposedPort),
  ];
  sockets[2]?.write(`GET / HTTP/1.1\r\nhost: ${port}.gateway.localhost\r\n\r\n`);
  const stdin = new PassThrough();
  const proxied = runCli(['vm', 'proxy', 'ssh.vm', String(port)], { env: lab.env, cwd: lab.dir, stdin });
  const connected = (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  await until(async () => (await connected()) === 5, { what: 'every connection to arrive' });
  await clock.hasLooked();
  for (let hour = 0; hour < 3; hour += 1) {
    clock.advance(61 * MINUTE_MS);
    await clock.hasLooked();
  }
  await suspended('unused');
  for (const name of names.slice(0, -1)) assert.equal(await stateOf(name), 'running', name);

  for (const socket of sockets) socket.destroy();
  stdin.end();
  assert.equal((await proxied).status, 0);
  await until(async () => (await connected()) === 0);
  server.close();
  // The daemon may notice the ends a moment later.
  await until(async () => {
    clock.advance(61 * MINUTE_MS);
    const states = await Promise.all(names.map(stateOf));
    return states.every((state) => state === 'suspended');
  });
});
