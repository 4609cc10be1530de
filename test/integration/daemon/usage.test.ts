import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import type { VmPorts } from '../../../src/protocol/usage.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type CliResult, runCli } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

// The guest is an agent on this host: its ports are those of this host.
const signal = neverAborts();

let lab: DaemonLab;
let address: string;
const servers: Server[] = [];

before(async () => {
  lab = await openDaemonLab();
  const { configFile } = lab.settings.paths;
  await mkdir(dirname(configFile), { recursive: true });
  // The history contains only measurements that a test has requested.
  await writeFile(configFile, 'stats_poll_interval = "0"\n');
  await lab.start({ hasAutoPorts: true });
  address = (await resultOf(lab.client.createVm({ name: 'box' }, { signal }))).guest_ip ?? 'none';
});

after(async () => {
  for (const server of servers) server.close();
  await lab[Symbol.asyncDispose]();
});

const banger = (...argv: string[]): Promise<CliResult> => runCli(argv, { env: lab.env, cwd: lab.dir });

async function listening(server: Server | HttpServer): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function selfSigned(): Promise<{ key: string; cert: string }> {
  const name = [
    '-subj',
    '/CN=localhost',
    '-days',
    '2',
    '-nodes',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
  ];
  const files = ['-keyout', join(lab.dir, 'key'), '-out', join(lab.dir, 'cert')];
  await exec(['openssl', 'req', '-x509', ...name, ...files], { signal });
  const read = async (file: string): Promise<string> =>
    (await exec(['cat', join(lab.dir, file)], { signal })).stdout.toString();
  return { key: await read('key'), cert: await read('cert') };
}

test('ports are listed with their program, and web servers with their link', async () => {
  const http = await listening(createHttpServer((_request, response) => response.end()));
  const https = await listening(
    createHttpsServer(await selfSigned(), (_request, response) => response.end()),
  );
  const greeter = await listening(
    createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n')),
  );
  const silent = await listening(createServer((socket) => socket.on('error', () => {})));
  lab.guests.ports = new Set([http, https, greeter]);
  const list = (): Promise<VmPorts> => lab.client.vmPorts('box', { signal });
  const isForwarded = async (): Promise<boolean> =>
    (await list()).ports.filter(({ hostPort, problem }) => hostPort && !problem).length === 3;
  await until(isForwarded, { everyMs: 100 });
  const { vm, ports } = await list();
  assert.equal(vm.name, 'box');
  const urlOf = (number: number): string | undefined => {
    const found = ports.find(({ port, proto }) => proto === 'tcp' && port === number);
    assert.ok(found, `${number} is not listed`);
    // What listens for the guest is on this host, too.
    const addresses = number === silent ? ['127.0.0.1'] : ['127.0.0.1', address];
    assert.deepEqual([found.endpoint, found.addresses], [`box.vm:${number}`, addresses]);
    return found.url;
  };
  assert.equal(urlOf(http), `http://${address}:${http}`, 'works without names');
  assert.equal(urlOf(https), `https://${address}:${https}`);
  assert.equal(urlOf(greeter), undefined);
  assert.equal(urlOf(silent), undefined);

  const table = await banger('vm', 'ports', 'box');
  assert.equal(table.status, 0, table.stderr);
  assert.match(table.stdout, /^ENDPOINT +PROTO +PROCESS +ADDRESS +LINK\n/);
  const place = `${address}:${http}`.replaceAll('.', '\\.');
  assert.match(table.stdout, new RegExp(`^box\\.vm:${http} +tcp +\\S+ +${place} +http://${place}$`, 'm'));
  const [row] = [...table.stdout.matchAll(new RegExp(`^box\\.vm:${silent} .*$`, 'gm'))];
  assert.match(row?.[0] ?? '', /- +-$/, 'a port that is not forwarded has no address');
});

test('several VMs are asked concurrently; a failure of one is reported, and the others are listed', async () => {
  const ran = await banger('vm', 'ports', '--json', 'box', 'nobody', 'box');
  assert.equal(ran.status, 1);
  assert.match(ran.stderr, /nobody/);
  assert.deepEqual(
    (JSON.parse(ran.stdout) as { vm: { name: string } }[]).map(({ vm }) => vm.name),
    ['box'],
  );
  assert.equal((await banger('vm', 'ports', 'nobody')).status, 1);
});

test('stats describe guest and host, and how busy the guest was since the last time', async () => {
  const first = await lab.client.vmStats('box', { signal });
  const { guest, host } = first.now;
  assert.ok(guest && guest.memory.totalBytes > guest.memory.availableBytes && guest.cpu.count > 0);
  assert.ok(host.vmmMemoryBytes > 0);
  await poll(async () => (await lab.client.vmStats('box', { signal })).now.guest?.cpuPercent, {
    everyMs: 20,
    deadlineMs: 55_000,
    what: 'a measurement some time after another',
    signal,
  });
  const later = await lab.client.vmStats('box', { signal });
  assert.deepEqual(later.history[0], first.now);
  assert.ok(later.history.length >= 2);

  const shown = await banger('vm', 'stats', 'box');
  assert.match(shown.stdout, /^name +box$/m);
  assert.match(shown.stdout, /^memory +\S+ of \S+$/m);
  assert.match(shown.stdout, /^host memory +\d/m);
  const json = JSON.parse((await banger('vm', 'stats', '--json', 'box')).stdout) as {
    now: object;
    history: object[];
  };
  assert.deepEqual(Object.keys(json), ['vm', 'now', 'history']);
});

test('watching stats ends with the VM, and is refused for a VM that does not run', async () => {
  await resultOf(lab.client.createVm({ name: 'short' }, { signal }));
  const watching = banger('vm', 'stats', '--watch', '--json', 'short');
  await poll(async () => (await lab.client.vmStats('short', { signal })).history.length > 1 || undefined, {
    everyMs: 50,
    deadlineMs: 55_000,
    what: 'the first measurement',
    signal,
  });
  await resultOf(lab.client.stopVm('short', { signal }));
  const watched = await watching;
  assert.equal(watched.status, 0, watched.stderr);
  for (const line of watched.stdout.trim().split('\n'))
    assert.deepEqual(Object.keys(JSON.parse(line)), ['vm', 'now']);
  const refused = await banger('vm', 'stats', '--watch', 'short');
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /vm "short" is not running/);
});

test('following a log ends when its VM is deleted, after all of its content', async () => {
  const vm = await resultOf(lab.client.createVm({ name: 'logged' }, { signal }));
  let seen = '';
  const following = (async () => {
    for await (const chunk of lab.client.vmLogs('logged', { kind: 'console', isFollowed: true, signal }))
      seen += chunk;
  })();
  await appendFile(join(lab.settings.paths.vmsDir, vm.id, 'console.log'), 'last words\n');
  await poll(() => seen.includes('last words') || undefined, {
    everyMs: 10,
    deadlineMs: 55_000,
    what: 'the last output',
    signal,
  });
  await resultOf(lab.client.deleteVm('logged', { signal }));
  await following;
  assert.match(seen, /last words\n$/);
});

test('vm ports says when there is no VM that has any', async () => {
  await resultOf(lab.client.stopVm('box', { signal }));
  const { status, stdout, stderr } = await banger('vm', 'ports');
  assert.deepEqual([status, stdout], [0, '']);
  assert.match(stderr, /no VM runs or is suspended: banger vm list --all/);
});
