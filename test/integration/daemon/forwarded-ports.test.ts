import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { breakSocket } from '../../../src/base/break-socket.ts';
import type { VmState } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';
import {
  askPort,
  type EchoServer,
  freePort,
  startEcho,
  startTalker,
  talkTo,
} from '../../support/network/local-server.ts';
import { until } from '../../support/until.ts';

// The guest is an agent on this host: a port of the guest is one of this host's 127.0.0.1.
const signal = neverAborts();
const OTHER_USER = 65_534;

let lab: DaemonLab;
let daemon: LabDaemon;
let echo: EchoServer;
let address: string;

before(async () => {
  lab = await openDaemonLab();
  echo = await startEcho();
  daemon = await lab.start({ canSave: true, hasAutoPorts: true });
  const vm = await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
  address = vm.guest_ip ?? 'none';
});

beforeEach(async () => {
  lab.guests.ports = new Set([echo.port]);
  await resultOf(lab.client.startVm('web', { signal }));
  await answers();
});

after(async () => {
  echo.close();
  await lab[Symbol.asyncDispose]();
});

const stateOf = async (name: string): Promise<VmState> => (await lab.client.showVm(name, { signal })).state;
const isAnswering = async (): Promise<boolean> => (await askPort(address, echo.port, 'hi')) === 'hi';
const answers = (): Promise<void> => until(isAnswering, { what: 'the port to answer on the VM address' });
const isSilent = (): Promise<void> =>
  until(async () => !(await isAnswering()), { what: 'the port to go from the VM address' });

test('a port of the guest listens on the address of its VM, and only there, while the guest listens', async () => {
  assert.equal(await askPort('::1', echo.port, 'hi'), undefined);
  lab.guests.ports = new Set();
  await isSilent();
  assert.equal(await askPort('127.0.0.1', echo.port, 'hi'), 'hi', "the guest's own port is not ours");
  lab.guests.ports = new Set([echo.port]);
  await answers();
});

test('much data passes both ways through a slow reader, and the end of input reaches the guest', async () => {
  const socket = connect({ host: address, port: echo.port, allowHalfOpen: true });
  const sent = Buffer.alloc(8 * 2 ** 20, 'abcdefg');
  socket.end(sent);
  const parts: Buffer[] = [];
  for await (const part of socket) {
    parts.push(part as Buffer);
    if (parts.length % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(Buffer.concat(parts).equals(sent));
  await until(() => echo.connections.size === 0);
});

test('a guest that ends its output first still gets what the client sends', async () => {
  await using talker = await startTalker();
  lab.guests.ports?.add(talker.port);
  await until(async () => (await talkTo(address, talker.port, ''))?.answer === 'that is all');
  // Several megabytes: more than all buffers on the way, so that the connection stays in use.
  const late = 'x'.repeat(5_000_000);
  const { answer } = (await talkTo(address, talker.port, late)) ?? {};
  assert.equal(answer, 'that is all');
  await until(() => talker.heard.includes(late));
  await until(() => talker.connections.size === 0);
  const stream = await lab.client.openPort('web', talker.port, { allowHalfOpen: true, signal });
  assert.equal(await text(stream), 'that is all');
  stream.end('late, through the API');
  await until(() => talker.heard.includes('late, through the API'));
});

test('a client that breaks its connection breaks that to the guest, and a port that closes breaks the client', async () => {
  const client = connect({ host: address, port: echo.port });
  client.on('error', () => {});
  client.write('x');
  await once(client, 'data');
  breakSocket(client);
  await until(() => echo.connections.size === 0);

  const second = connect({ host: address, port: echo.port });
  second.write('x');
  await once(second, 'data');
  for (const socket of echo.connections) breakSocket(socket);
  const [error] = await once(second, 'error');
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
});

test('two VMs have one port, each on its own address', async () => {
  const other = await resultOf(lab.client.createVm({ name: 'other' }, { signal }));
  assert.notEqual(other.guest_ip, address);
  await until(async () => (await askPort(other.guest_ip ?? 'none', echo.port, 'hi')) === 'hi');
  assert.ok(await isAnswering());
  await resultOf(lab.client.deleteVm('other', { signal }));
  await until(async () => (await askPort(other.guest_ip ?? 'none', echo.port, 'hi')) === undefined);
});

test('the ports of a suspended VM listen on, and a connection resumes it and is served', async () => {
  await resultOf(lab.client.suspendVm('web', { signal }));
  const { ports } = await lab.client.vmPorts('web', { signal });
  assert.deepEqual(
    ports.map(({ port, hostAddress, hostPort, problem }) => ({ port, hostAddress, hostPort, problem })),
    [{ port: echo.port, hostAddress: address, hostPort: echo.port, problem: undefined }],
  );
  assert.equal(await stateOf('web'), 'suspended', 'listing ports resumes nothing');
  const all = await Promise.all(['a', 'b', 'c'].map((text) => askPort(address, echo.port, text)));
  assert.deepEqual(all, ['a', 'b', 'c']);
  assert.equal(await stateOf('web'), 'running');
});

test('the next daemon listens again, also for a suspended VM', async () => {
  await daemon[Symbol.asyncDispose]();
  assert.equal(await isAnswering(), false);
  daemon = await lab.start({ canSave: true, hasAutoPorts: true });
  await answers();
  await resultOf(lab.client.suspendVm('web', { signal }));
  await daemon[Symbol.asyncDispose]();
  daemon = await lab.start({ canSave: true, hasAutoPorts: true });
  assert.equal(await stateOf('web'), 'suspended');
  await answers();
  assert.equal(await stateOf('web'), 'running');
});

test('the ports of a VM that is stopped go, and connecting does not start it', async () => {
  await resultOf(lab.client.stopVm('web', { signal }));
  await isSilent();
  assert.equal(await stateOf('web'), 'stopped');
});

test('programs of other users are refused', {
  skip: process.getuid?.() !== 0 && 'only root can run as another user',
}, async () => {
  const script = `exec 3<>/dev/tcp/${address}/${echo.port} && echo hi >&3 && head -c 3 <&3`;
  const askAs = async (uid: number): Promise<string> => {
    const child = spawn('bash', ['-c', script], { uid, gid: uid, stdio: ['ignore', 'pipe', 'ignore'] });
    return await text(child.stdout);
  };
  assert.equal(await askAs(0), 'hi\n');
  assert.equal(await askAs(OTHER_USER), '');
});

test('connections that a VMM opens for its guest are refused, even when all users may connect', async () => {
  const child = spawn(
    'bash',
    ['-c', `sleep 0.5; exec 3<>/dev/tcp/${address}/${echo.port} && echo hi >&3 && head -c 3 <&3`],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  lab.guests.vmmPids = [child.pid ?? 0];
  assert.equal(await text(child.stdout), '');
  delete lab.guests.vmmPids;
});

test('an explicit port is on 127.0.0.1 and the address, survives a restart, and goes when it is removed', async () => {
  const hostPort = await freePort();
  const forward = { hostPort, guestPort: echo.port };
  const forwarded = await resultOf(lab.client.forwardPort('web', forward, { signal }));
  assert.deepEqual(forwarded.forwards, [forward]);
  const bothAnswer = async (): Promise<boolean> =>
    (await askPort('127.0.0.1', hostPort, 'a')) === 'a' && (await askPort(address, hostPort, 'b')) === 'b';
  await until(bothAnswer);
  const { ports } = await lab.client.vmPorts('web', { signal });
  assert.equal(ports.find((port) => port.isExplicit)?.hostPort, hostPort);
  await resultOf(lab.client.restartVm('web', { signal }));
  await until(bothAnswer);
  await daemon[Symbol.asyncDispose]();
  daemon = await lab.start({ canSave: true, hasAutoPorts: true });
  await until(bothAnswer);
  await assert.rejects(
    async () => {
      const other = await resultOf(lab.client.createVm({ name: 'other', noStart: true }, { signal }));
      await resultOf(lab.client.forwardPort(other.id, forward, { signal }));
    },
    { code: 'PORT_UNAVAILABLE' },
  );
  await resultOf(lab.client.deleteVm('other', { signal }));
  await resultOf(lab.client.forwardPort('web', { ...forward, remove: true }, { signal }));
  await until(async () => (await askPort('127.0.0.1', hostPort, 'a')) === undefined);
});

test('an exposed port of this host is reached at the guest, until it is removed', async () => {
  // The guest's 127.0.0.1 is that of this host, too.
  const guestPort = await freePort();
  const forward = { hostPort: echo.port, guestPort, reverse: true };
  await resultOf(lab.client.forwardPort('web', forward, { signal }));
  const answer = async (): Promise<string | undefined> => {
    const socket = connect(guestPort, '127.0.0.1');
    socket.write('from the guest');
    const found = await once(socket, 'data').then(String, () => undefined);
    socket.destroy();
    return found;
  };
  await until(async () => (await answer()) === 'from the guest');
  // A stream that stays open would be one too many sometime.
  for (let at = 0; at < 500; at += 1) assert.equal(await answer(), 'from the guest');
  await until(() => echo.connections.size === 0);
  await resultOf(lab.client.restartVm('web', { signal }));
  await until(async () => (await answer()) === 'from the guest');
  await resultOf(lab.client.forwardPort('web', { ...forward, remove: true }, { signal }));
  await until(async () => (await answer()) === undefined);
  assert.deepEqual((await lab.client.showVm('web', { signal })).forwards, undefined);
});

test('at an exposed port, either side may end its output first', async () => {
  await using talker = await startTalker();
  const guestPort = await freePort();
  const forward = { hostPort: talker.port, guestPort, reverse: true };
  await resultOf(lab.client.forwardPort('web', forward, { signal }));
  await until(async () => (await talkTo('127.0.0.1', guestPort, 'late'))?.answer === 'that is all');
  await until(() => talker.heard.includes('late') && talker.connections.size === 0);
  await resultOf(lab.client.forwardPort('web', { ...forward, remove: true }, { signal }));
  const toEcho = { ...forward, hostPort: echo.port };
  await resultOf(lab.client.forwardPort('web', toEcho, { signal }));
  await until(async () => (await askPort('127.0.0.1', guestPort, 'first')) === 'first');
  await until(() => echo.connections.size === 0);
  await resultOf(lab.client.forwardPort('web', { ...toEcho, remove: true }, { signal }));
});

test('a port that cannot be exposed, because a program of the guest has it, is named in the log once', async () => {
  const server = await startEcho();
  await using made = await lab.client.leaseVm({ name: 'exposed', exposeHost: [server.port] }, { signal });
  assert.deepEqual(made.vm.forwards, [{ hostPort: server.port, guestPort: server.port, isReverse: true }]);
  // The guest is this host, where the port is in use already: said in the log, once.
  await until(() => lab.logged.some(({ level, vmId }) => level === 'warn' && vmId === made.vm.id));
  assert.equal(lab.logged.filter(({ vmId, level }) => level === 'warn' && vmId === made.vm.id).length, 1);
  server.close();
  lab.logged.length = 0;
});

test('a port that another program has is explained where ports are listed, and not in the log', async () => {
  lab.guests.ports = new Set();
  await isSilent();
  const squatter = createServer((socket) => socket.destroy());
  squatter.listen(echo.port, address);
  await once(squatter, 'listening');
  lab.guests.ports = new Set([echo.port]);
  const problem = async (): Promise<string | undefined> =>
    (await lab.client.vmPorts('web', { signal })).ports.find(({ port }) => port === echo.port)?.problem;
  await until(async () => /another program/.test((await problem()) ?? ''), { everyMs: 100 });
  squatter.close();
  await answers();
  assert.equal(await problem(), undefined);
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'warn' || level === 'error'),
    [],
  );
});

test('a guest whose agent cannot watch is asked now and then', async () => {
  lab.guests.hasOldAgent = true;
  try {
    await resultOf(lab.client.restartVm('web', { signal }));
    await answers();
    lab.guests.ports = new Set();
    await isSilent();
  } finally {
    delete lab.guests.hasOldAgent;
  }
});
