import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { type CliLab, openCliLab } from '../../../test/support/cli/cli-harness.ts';
import { readHostResolver } from './host-resolver.ts';
import { runningPrograms } from './program-names.ts';

let lab: CliLab;
let root: string;

before(async () => {
  lab = await openCliLab({ hasDaemon: false });
});
after(() => lab[Symbol.asyncDispose]());
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'host-'));
});

function put(path: string, content = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

const RESOLVED = 'etc/systemd/resolved.conf.d/banger-vm.conf';

/** A host that asks systemd-resolved. */
function resolvedHost(): void {
  put('etc/resolv.conf', '# comment\nnameserver 127.0.0.53\noptions edns0\n');
  put('run/systemd/resolve/resolv.conf');
}

test('install writes the file of the resolver that the host asks, once; uninstall removes it', async () => {
  resolvedHost();
  const argv = ['dns', 'install', '--root', root, '--server', '127.53.3.232:7453'];
  const dry = await lab.run([...argv, '--dry-run']);
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /^would be written: .*banger-vm.conf$/m);
  assert.throws(() => readFileSync(join(root, RESOLVED)));
  const first = await lab.run(argv);
  assert.match(first.stdout, /^written: .*banger-vm.conf$/m);
  assert.match(first.stdout, /then run: sudo systemctl restart systemd-resolved/);
  assert.equal(
    readFileSync(join(root, RESOLVED), 'utf8').split('\n').slice(1).join('\n'),
    '[Resolve]\nDNS=127.53.3.232:7453\nDomains=~vm\n',
  );
  const unsigned = readFileSync(join(root, 'etc/dnssec-trust-anchors.d/banger-vm.negative'), 'utf8').split(
    '\n',
  );
  assert.match(unsigned[0] ?? '', /^;/);
  // A file of such zones replaces the list that systemd-resolved brings.
  for (const zone of ['vm', 'lan', 'home.arpa', '31.172.in-addr.arpa'])
    assert.ok(unsigned.includes(zone), zone);
  const second = await lab.run(argv);
  assert.doesNotMatch(second.stdout, /^(written|replaced)|then run/m);
  const moved = await lab.run([...argv.slice(0, -1), '127.53.3.232:9999', '--json']);
  assert.deepEqual(
    (JSON.parse(moved.stdout) as { changes: { change: string }[] }).changes.map(({ change }) => change),
    ['replaced', 'unchanged'],
  );
  const removed = await lab.run(['dns', 'uninstall', '--root', root]);
  assert.equal(removed.stdout.match(/^removed: /gm)?.length, 2);
  assert.match(removed.stdout, /then run: sudo systemctl restart systemd-resolved/);
  assert.throws(() => readFileSync(join(root, RESOLVED)));
  assert.equal((await lab.run(['dns', 'uninstall', '--root', root])).stdout, 'nothing to remove\n');
});

for (const [kind, path, line] of [
  ['networkmanager', 'etc/NetworkManager/dnsmasq.d/banger-vm.conf', 'server=/vm/127.53.0.1#7453'],
  ['dnsmasq', 'etc/dnsmasq.d/banger-vm.conf', 'server=/vm/127.53.0.1#7453'],
  ['unbound', 'etc/unbound/unbound.conf.d/banger-vm.conf', '    stub-addr: 127.53.0.1@7453'],
] as const) {
  test(`install --for ${kind} writes ${path}`, async () => {
    const argv = ['dns', 'install', '--root', root, '--for', kind, '--server', '127.53.0.1:7453'];
    const { status, stderr } = await lab.run(argv);
    assert.equal(status, 0, stderr);
    assert.ok(readFileSync(join(root, path), 'utf8').split('\n').includes(line));
  });
}

test('a file that we have not written is neither replaced nor removed, nor is a symlink followed', async () => {
  resolvedHost();
  put('target', 'precious');
  mkdirSync(dirname(join(root, RESOLVED)), { recursive: true });
  for (const make of [
    () => put(RESOLVED, '[Resolve]\nDNS=1.2.3.4\n'),
    () => symlinkSync(join(root, 'target'), join(root, RESOLVED)),
    () => mkdirSync(join(root, RESOLVED)),
  ]) {
    make();
    for (const verb of ['install', 'uninstall']) {
      const { status, stderr } = await lab.run(['dns', verb, '--root', root]);
      assert.equal(status, 1);
      assert.match(stderr, /Cannot change .*banger has not written it/);
    }
    rmSync(join(root, RESOLVED), { recursive: true });
  }
  assert.equal(readFileSync(join(root, 'target'), 'utf8'), 'precious');
  assert.throws(() => readFileSync(join(root, 'etc/dnssec-trust-anchors.d/banger-vm.negative')));
});

test('a host that asks servers of its network is refused, and told what helps', async () => {
  put('etc/resolv.conf', 'nameserver 192.0.2.1\n');
  const { status, stderr } = await lab.run(['dns', 'install', '--root', root]);
  assert.equal(status, 1);
  assert.match(stderr, /servers of its network/);
  assert.match(stderr, /systemd-resolved, networkmanager, dnsmasq, unbound/);
});

for (const [option, value] of [
  ['--server', '8.8.8.8:53'],
  ['--server', '127.0.0.1'],
  ['--server', '127.0.0.1:0'],
  ['--server', '127.0.0.1:70000'],
  ['--for', 'bind'],
] as const) {
  test(`${option} ${value} is refused`, async () => {
    const { status } = await lab.run(['dns', 'install', '--root', root, option, value]);
    assert.equal(status, 2);
  });
}

for (const [name, files, asked] of [
  [
    'resolv.conf with the stub of systemd-resolved',
    { 'etc/resolv.conf': 'nameserver 127.0.0.53\n' },
    'systemd-resolved',
  ],
  [
    'nss-resolve',
    {
      'etc/resolv.conf': 'nameserver 192.0.2.1\n',
      'etc/nsswitch.conf': 'passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n',
      'run/systemd/resolve/resolv.conf': '',
    },
    'systemd-resolved',
  ],
  [
    'NetworkManager with dnsmasq',
    {
      'etc/resolv.conf': 'nameserver 127.0.0.1\n',
      'etc/NetworkManager/conf.d/dns.conf': '[main]\ndns=dnsmasq\n',
      'run/NetworkManager/x': '',
    },
    'networkmanager',
  ],
  [
    'NetworkManager without it, beside dnsmasq',
    {
      'etc/resolv.conf': 'nameserver 127.0.0.1\n',
      'run/NetworkManager/x': '',
      'run/dnsmasq/dnsmasq.pid': '',
    },
    'dnsmasq',
  ],
  ['unbound', { 'etc/resolv.conf': 'nameserver ::1\n', 'run/unbound.pid': '' }, 'unbound'],
  [
    'servers of the network',
    { 'etc/resolv.conf': 'nameserver 192.0.2.1\nnameserver 127.0.0.53\n' },
    undefined,
  ],
  ['nothing', {}, undefined],
] as const) {
  test(`a host with ${name} asks ${asked ?? 'no resolver of its own'}`, () => {
    for (const [path, content] of Object.entries(files)) put(path, content);
    assert.equal(readHostResolver(root).asked, asked);
  });
}

test('a resolver that has left its files and does not run any more is only installed', () => {
  resolvedHost();
  put('etc/nsswitch.conf', 'hosts: files resolve [!UNAVAIL=return] dns\n');
  put('etc/resolv.conf', 'nameserver 127.0.0.1\n');
  put('usr/lib/systemd/systemd-resolved');
  put('run/dnsmasq.pid');
  const stateWith = (...names: string[]): [string | undefined, string] => {
    const { asked, found } = readHostResolver(root, { processes: new Set(names) });
    return [asked, found['systemd-resolved']];
  };
  assert.deepEqual(stateWith('systemd', 'systemd-resolve'), ['systemd-resolved', 'running']);
  assert.deepEqual(stateWith('systemd', 'dnsmasq'), ['dnsmasq', 'installed']);
  assert.deepEqual(stateWith('systemd'), [undefined, 'installed']);
});

test('programs are known by the names of their processes, unless those of others are hidden', () => {
  assert.equal(runningPrograms()?.has(readFileSync('/proc/self/comm', 'utf8').trimEnd()), true);
  put('7/comm', 'mine\n');
  assert.equal(runningPrograms(root), undefined);
});

for (const [what, files, says] of [
  [
    'servers for every name',
    { 'etc/systemd/resolved.conf': '#DNS=\n[Resolve]\nDNS=192.0.2.1 192.0.2.2\n' },
    /resolved\.conf" says "DNS=192\.0\.2\.1 192\.0\.2\.2", so it asks these servers for every name/,
  ],
  [
    'servers in a drop-in of the distribution',
    { 'usr/lib/systemd/resolved.conf.d/dns.conf': '[Resolve]\nDNS = 192.0.2.1\n' },
    /dns\.conf" says "DNS = 192\.0\.2\.1"/,
  ],
  [
    'TLS with every server',
    { 'etc/systemd/resolved.conf.d/tls.conf': '[Resolve]\nDNSOverTLS=yes\n' },
    /says "DNSOverTLS=yes", so it asks every server over TLS[\s\S]*opportunistic/,
  ],
  [
    'a resolv.conf of its own, whose servers it would lose',
    { 'etc/resolv.conf': 'nameserver 127.0.0.53\nnameserver 192.0.2.1\n' },
    /resolv\.conf" says "nameserver 192\.0\.2\.1", so it would not ask these servers any more/,
  ],
  [
    'fallback servers only, which it would lose',
    { 'etc/systemd/resolved.conf': '[Resolve]\nFallbackDNS=192.0.2.1\n' },
    /says "FallbackDNS=192\.0\.2\.1", so it would not ask these servers any more/,
  ],
] as const) {
  test(`systemd-resolved with ${what} is refused before anything is written`, async () => {
    resolvedHost();
    for (const [path, content] of Object.entries(files)) put(path, content);
    const { status, stderr } = await lab.run(['dns', 'install', '--root', root]);
    assert.equal(status, 1);
    assert.match(stderr, says);
    assert.throws(() => readFileSync(join(root, RESOLVED)));
  });
}

test('settings that systemd-resolved does not use, or that leave the servers of a connection, hinder nothing', async () => {
  resolvedHost();
  put('etc/resolv.conf', 'nameserver 127.0.0.53\nnameserver 192.0.2.1\n');
  put('run/systemd/resolve/netif/2', 'SERVERS=192.0.2.1\n');
  put('usr/lib/systemd/resolved.conf.d/dns.conf', '[Resolve]\nDNS=192.0.2.1\nDNSOverTLS=yes\n');
  put('etc/systemd/resolved.conf.d/dns.conf', '[Resolve]\nDNSOverTLS=opportunistic\n');
  put('etc/systemd/resolved.conf.d/a.conf', '[Resolve]\nDNS=192.0.2.1\nDNS=\nFallbackDNS=192.0.2.1\n');
  for (const _again of ['written', 'unchanged']) {
    const { status, stderr } = await lab.run(['dns', 'install', '--root', root]);
    assert.equal(status, 0, stderr);
  }
});
