import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { DnsPlace } from '../../../src/config/dns-place.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';
import { until } from '../../support/until.ts';

// The guests are agents on this host: their ports are those of this host.
const signal = neverAborts();

let lab: DaemonLab;
let daemon: LabDaemon;
let server: Server;
let serverPort: number;
let dns: DnsPlace;
let gatewayPort: number;

before(async () => {
  server = createServer((incoming, response) => {
    if (incoming.url === '/events') response.write('begun');
    else response.end(`${incoming.headers.host} ${incoming.url}`);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  serverPort = (server.address() as AddressInfo).port;
  lab = await openDaemonLab();
  daemon = await start();
});

after(async () => {
  server.closeAllConnections();
  server.close();
  await lab[Symbol.asyncDispose]();
});

async function start(): Promise<LabDaemon> {
  const started = await lab.start({
    canSave: true,
    servers: { dns: { address: '127.0.0.1', port: 0 }, gatewayPort: 0 },
  });
  const status = await lab.client.nameServers({ signal });
  assert.deepEqual([status.dns.state, status.gateway.state], ['listening', 'listening']);
  dns = { address: status.dns.address ?? '', port: status.dns.port ?? 0 };
  gatewayPort = status.gateway.port ?? 0;
  return started;
}

function resolve(name: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 5_000, tries: 2 });
  resolver.setServers([`${dns.address}:${dns.port}`]);
  return resolver.resolve4(name);
}

interface Got {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

function ask(host: string, path = '/'): Promise<Got> {
  return new Promise((done, fail) => {
    const headers = { host: `${host}:${gatewayPort}` };
    const sent = request({ host: '127.0.0.1', port: gatewayPort, path, headers, agent: false });
    sent.on('error', fail);
    sent.on('response', (response) => {
      const { statusCode: status, headers: got } = response;
      text(response).then((body) => done({ status, headers: got, body }), fail);
    });
    sent.end();
  });
}

test('DNS has the address of each VM, follows a rename and a deletion at once, and keeps suspended VMs', async () => {
  const { guest_ip: address = '' } = await resultOf(lab.client.createVm({ name: 'one' }, { signal }));
  assert.match(address, /^127\.77\./);
  assert.deepEqual(await resolve('one.vm'), [address]);
  await resultOf(lab.client.renameVm('one', 'two', { signal }));
  await assert.rejects(resolve('one.vm'), { code: 'ENOTFOUND' });
  assert.deepEqual(await resolve('TWO.vm'), [address]);
  await resultOf(lab.client.suspendVm('two', { signal }));
  assert.deepEqual(await resolve('two.vm'), [address]);
  await resultOf(lab.client.startVm('two', { signal }));
  await resultOf(lab.client.stopVm('two', { signal }));
  await assert.rejects(resolve('two.vm'), { code: 'ENOTFOUND' });
  await resultOf(lab.client.deleteVm('two', { signal }));
  await assert.rejects(resolve('two.vm'), { code: 'ENOTFOUND' });
  assert.deepEqual(await resolve('_banger.vm'), [dns.address]);
});

test('the gateway reaches a port of a VM, resumes a suspended one, and says when it is stopped', async () => {
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
  const host = `${serverPort}.web.localhost`;
  const expected = `${host}:${gatewayPort} /x`;
  assert.equal((await ask(host, '/x')).body, expected);
  await resultOf(lab.client.suspendVm('web', { signal }));
  const both = await Promise.all([ask(host, '/x'), ask(host, '/x')]);
  assert.deepEqual(
    both.map(({ status, body }) => [status, body]),
    [
      [200, expected],
      [200, expected],
    ],
  );
  assert.equal((await lab.client.showVm('web', { signal })).state, 'running');
  await resultOf(lab.client.stopVm('web', { signal }));
  const stopped = await ask(host);
  assert.equal(stopped.status, 503);
  assert.match(stopped.body, /banger vm start web/);
  const unknown = await ask('nope.localhost');
  assert.equal(unknown.status, 404);
  assert.match(unknown.body, /^web {2}stopped$/m);
  await resultOf(lab.client.deleteVm('web', { signal }));
});

test('a daemon that stops ends the requests to its gateway, and the next one serves', async () => {
  await resultOf(lab.client.createVm({ name: 'kept' }, { signal }));
  const host = `${serverPort}.kept.localhost`;
  const endless = ask(host, '/events');
  endless.catch(() => {});
  await until(async () => (await lab.client.daemonStatus({ signal })).pid > 0);
  await soon(20_000, Promise.resolve(daemon[Symbol.asyncDispose]()));
  await assert.rejects(endless);
  daemon = await start();
  assert.equal((await ask(host)).status, 200);
  await resultOf(lab.client.deleteVm('kept', { signal }));
});

test('the programs of another user reach nothing', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, async () => {
  await resultOf(lab.client.createVm({ name: 'mine' }, { signal }));
  const script = `exec 3<>/dev/tcp/127.0.0.1/${gatewayPort}; printf 'GET / HTTP/1.1\\r\\nhost: ${serverPort}.mine.localhost\\r\\n\\r\\n' >&3; cat <&3; echo over`;
  const run = async (uid: number): Promise<string> => {
    const child = spawn('/bin/bash', ['-c', script], {
      uid,
      gid: uid,
      stdio: ['ignore', 'pipe', 'ignore'],
      cwd: '/',
    });
    const timer = setTimeout(() => child.kill(), 30_000);
    const [first] = await Promise.all([
      firstBytes(child.stdout),
      new Promise((done) => child.once('spawn', done)),
    ]);
    clearTimeout(timer);
    child.kill();
    return first;
  };
  assert.match(await run(0), /^HTTP\/1.1 200 /);
  // Bash ends early when the connection is closed before it writes.
  assert.match(await run(65_534), /^(over\n)?$/);
  await resultOf(lab.client.deleteVm('mine', { signal }));
});

async function firstBytes(stream: AsyncIterable<Buffer>): Promise<string> {
  for await (const chunk of stream) return chunk.toString();
  return '';
}

test('a port in use is reported, and taken when it is free; the daemon works meanwhile', async () => {
  await daemon[Symbol.asyncDispose]();
  const other = createTcpServer();
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address() as AddressInfo;
  daemon = await lab.start({ servers: { dns: { address: '127.0.0.1', port }, gatewayPort: port } });
  const { dns: taken, gateway } = await lab.client.nameServers({ signal });
  const problem = `port ${port} of 127.0.0.1 is in use by another program`;
  assert.deepEqual(
    [taken.state, taken.problem, gateway.state, gateway.problem],
    ['failed', problem, 'failed', problem],
  );
  assert.equal((await lab.client.listVms({ signal })).length, 0);
  const warnings = (): number => lab.logged.filter(({ problem: said }) => said === problem).length;
  assert.equal(warnings(), 2);
  await lab.client.nameServers({ signal });
  assert.equal(warnings(), 2);
  await new Promise<void>((done) => other.close(() => done()));
  const later = await lab.client.nameServers({ signal });
  assert.equal(later.dns.state, 'listening');
});

test('dns = false and gateway = false turn both off', async () => {
  await daemon[Symbol.asyncDispose]();
  const config = lab.settings.paths.configFile;
  mkdirSync(dirname(config), { recursive: true });
  writeFileSync(config, 'dns = false\ngateway = false\n');
  daemon = await lab.start({ servers: 'configured' });
  assert.deepEqual(await lab.client.nameServers({ signal }), {
    dns: { state: 'off' },
    gateway: { state: 'off' },
  });
});
