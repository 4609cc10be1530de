import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { runCli } from '../support/cli/cli-harness.ts';
import { openDaemonLab } from '../support/daemon-lab.ts';
import { until } from '../support/until.ts';
import { HelperOfRoot } from './helper-step.ts';

// Runs in the namespaces of host.sh: a daemon with a VM, the command line, and the programs of the host. The
// guest is an agent on this host; the DNS server, addresses and forwarded ports are real.
// usage: check.ts KIND

const signal = neverAborts();
const [, , kind = ''] = process.argv;
const OWN_FILES = [
  '/etc/systemd/resolved.conf.d/banger-vm.conf',
  '/etc/dnssec-trust-anchors.d/banger-vm.negative',
  '/etc/NetworkManager/dnsmasq.d/banger-vm.conf',
];

await using lab = await openDaemonLab();
await lab.start({ hasAutoPorts: true, servers: 'configured' });
const { guest_ip: address } = await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
const server = createServer((_request, response) => response.end('a page of the guest')).listen(
  0,
  '127.0.0.1',
);
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
lab.guests.ports = new Set([port]);

await step('before: the network has its names, and status says what to run', async () => {
  await expectNetwork();
  assert.equal(await nameOf('web.vm'), 'ENOTFOUND');
  const status = await banger('dns', 'status');
  assert.match(status, new RegExp(`^resolver +${kind}$`, 'm'));
  assert.match(status, /^NAME\.vm +not found/m);
  assert.match(status, new RegExp(`^To set up ${kind}: sudo .*dns install$`, 'm'));
});

await step('installed: programs find the VM and its page, and the links have its name', installAndUse);

await step('uninstalled: everything is as before', async () => {
  await uninstall();
  assert.deepEqual(OWN_FILES.filter(existsSync), []);
});

if (kind === 'systemd-resolved') {
  await step('the helper of root names the server for its bridge, and takes it back', async () => {
    await using helper = await HelperOfRoot.start(join(import.meta.dirname, '..', '..'));
    const { dns } = await lab.client.nameServers({ signal });
    const place = { bridge: 'br-fc', server: `${dns.address}:${dns.port}` };
    for (let time = 0; time < 2; time += 1) await helper.ask('resolver.set', place);
    await until(async () => (await nameOf('web.vm')) === address, { what: 'web.vm', everyMs: 200 });
    await expectNetwork();
    for (let time = 0; time < 2; time += 1) await helper.ask('resolver.clear', { bridge: 'br-fc' });
    await until(async () => (await nameOf('web.vm')) === 'ENOTFOUND', { what: 'no web.vm', everyMs: 200 });
    await expectNetwork();
  });
  await step('with DNSSEC=yes, other names are found as before', async () => {
    await configure('DNSSEC=yes');
    await expectNetwork();
    await installAndUse();
    await uninstall('ESERVFAIL');
  });
  for (const line of ['DNS=192.0.2.53', 'DNSOverTLS=yes']) {
    await step(`with ${line}, which would keep it from asking us, it is refused`, async () => {
      await configure(line);
      const { status, stderr } = await run('dns', 'install');
      assert.equal(status, 1);
      assert.match(stderr, /^banger: Cannot set up systemd-resolved: "\/etc\/systemd\/resolved\.conf" says/);
      assert.deepEqual(OWN_FILES.filter(existsSync), []);
    });
  }
}
server.close();

async function installAndUse(): Promise<void> {
  await reload(await banger('dns', 'install'));
  await until(async () => (await nameOf('web.vm')) === address, { what: 'web.vm', everyMs: 200 });
  const { stdout } = await exec(['getent', 'hosts', 'web.vm'], { signal });
  assert.match(stdout.toString(), new RegExp(`^${address} +web\\.vm$`, 'm'));
  const link = `http://web.vm:${port}`;
  await until(async () => (await banger('vm', 'ports')).includes(`${link}\n`), { what: link, everyMs: 200 });
  const curl = ['curl', '--silent', '--show-error', '--fail', '--noproxy', '*', link] as const;
  assert.equal((await exec(curl, { signal })).stdout.toString(), 'a page of the guest');
  assert.equal(await nameOf('nope.vm'), 'ENOTFOUND');
  assert.match(await banger('dns', 'status'), /^NAME\.vm +found$/m);
  await expectNetwork();
  assert.doesNotMatch(await banger('dns', 'install'), /then run/, 'a second time, there is nothing to do');
}

async function uninstall(noName = 'ENOTFOUND'): Promise<void> {
  await reload(await banger('dns', 'uninstall'));
  await until(async () => ['ENOTFOUND', noName, 'EAI_AGAIN'].includes(await nameOf('web.vm')), {
    everyMs: 200,
  });
  await expectNetwork();
  assert.match(await banger('dns', 'status'), /^NAME\.vm +not found/m);
  await until(async () => !(await banger('vm', 'ports')).includes('http://web.vm'), { everyMs: 500 });
}

/** Waits until the resolver has the server of the network again, which takes it a moment. */
async function expectNetwork(): Promise<void> {
  await until(async () => (await nameOf('known.test')) === '192.0.2.7', { what: 'known.test', everyMs: 200 });
  assert.equal(await nameOf('unknown.test'), 'ENOTFOUND');
}

/** What a program gets for a name: its address, or the code of the failure. */
async function nameOf(name: string): Promise<string> {
  try {
    return (await lookup(name, { family: 4 })).address;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'no code';
  }
}

async function configure(line: string): Promise<void> {
  writeFileSync('/etc/systemd/resolved.conf', `[Resolve]\n${line}\n`);
  await exec(['systemctl', 'restart', 'systemd-resolved'], { signal });
}

/** Runs the commands that banger has printed. */
async function reload(printed: string): Promise<void> {
  const lines = [...printed.matchAll(/^then run: sudo (.+)$/gm)].map(([, line = '']) => line);
  assert.ok(lines.length > 0, printed);
  for (const line of lines) await exec(['sh', '-c', line], { signal });
}

async function run(...argv: string[]): ReturnType<typeof runCli> {
  return await runCli(argv, { env: lab.env, cwd: lab.dir });
}

async function banger(...argv: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(...argv);
  assert.equal(status, 0, stderr);
  return stdout;
}

async function step(what: string, work: () => Promise<void>): Promise<void> {
  const begun = performance.now();
  await work();
  process.stdout.write(`ok   ${what} (${((performance.now() - begun) / 1000).toFixed(1)} s)\n`);
}
