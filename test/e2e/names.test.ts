import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { NameServers } from '../../src/protocol/api/names.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const PORT = 5_173;

/** Key of a WebSocket's request, and the answer that belongs to it (RFC 6455 section 1.3). */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/**
 * A dev server with hot reload: serves `/root/page`, and sends its content over every WebSocket whenever it
 * changes.
 */
const DEV_SERVER = `
use IO::Socket::IP; $| = 1; $SIG{CHLD} = "IGNORE"; $SIG{PIPE} = "IGNORE";
sub page { open my $f, "<", "/root/page" or return ""; local $/; <$f> }
my $s = IO::Socket::IP->new(LocalHost => "127.0.0.1", LocalPort => ${PORT}, Listen => 128, ReuseAddr => 1) or die $@;
while (my $c = $s->accept) {
  next if fork;
  my $head = "";
  while ($head !~ /\\r\\n\\r\\n/) { sysread($c, $head, 4096, length $head) or exit }
  if ($head =~ /upgrade: websocket/i) {
    syswrite $c, "HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Accept: ${ACCEPT}\\r\\n\\r\\n";
    my $last = page();
    while (1) {
      my $now = page();
      if ($now ne $last) { $last = $now; syswrite($c, pack("CC", 0x81, length $now) . $now) or exit }
      my $r = ""; vec($r, fileno($c), 1) = 1;
      if (select($r, undef, undef, 0.1)) { sysread($c, my $in, 4096) or exit }
    }
  }
  my ($host) = $head =~ /^host: *(\\S+)/im;
  my $body = "<h1>" . page() . "</h1>$host";
  syswrite $c, "HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body";
  exit;
}`;

describe('names of VMs', () => {
  const signal = neverAborts();
  let lab: Lab;
  let gatewayPort: number;
  let dns: { address: string; port: number };
  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'dev', ...SMALL]);
    const status = JSON.parse(await lab.text(['dns', 'status', '--json'])) as NameServers;
    assert.deepEqual([status.dns.state, status.gateway.state], ['listening', 'listening']);
    gatewayPort = status.gateway.port ?? 0;
    dns = { address: status.dns.address ?? '', port: status.dns.port ?? 0 };
    await inGuest('dev', 'printf first > /root/page');
    await inGuest('dev', `cat > /root/dev.pl && (setsid perl /root/dev.pl >/dev/null 2>&1 &)`, DEV_SERVER);
    await until(async () => (await inGuest('dev', 'ss -ltn')).includes(`:${PORT}`), { everyMs: 200 });
    // The daemon learns of a port a moment after the guest listens on it.
    const isServed = async (): Promise<boolean> => (await curl(url('dev'))) === expected('dev');
    await until(isServed, { what: 'the page of the dev server', everyMs: 200, deadlineMs: 180_000 });
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
  });

  const inGuest = async (vm: string, script: string, input = ''): Promise<string> =>
    await lab.text(['vm', 'exec', vm, '--', 'sh', '-c', script], { input: Buffer.from(input) });
  /** What curl of this host gets, without the proxies of its environment. */
  const curl = async (...argv: string[]): Promise<string> => {
    const limits = ['--silent', '--noproxy', '*', '--max-time', '60'];
    const { stdout } = await exec(['curl', ...limits, ...argv], { signal, deadlineMs: 90_000 });
    return stdout.toString();
  };
  const url = (name: string): string => `http://${name}.localhost:${gatewayPort}/`;
  const expected = (name: string): string => `<h1>first</h1>${name}.localhost:${gatewayPort}`;

  async function openWebSocket(): Promise<{ socket: Socket; text: () => string }> {
    const socket = connect(gatewayPort, '127.0.0.1');
    await once(socket, 'connect');
    let got = '';
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1');
    });
    const lines = [`host: dev.localhost:${gatewayPort}`, `origin: http://dev.localhost:${gatewayPort}`];
    const upgrade = [
      'connection: Upgrade',
      'upgrade: websocket',
      `sec-websocket-key: ${KEY}`,
      'sec-websocket-version: 13',
    ];
    socket.write(['GET /hmr HTTP/1.1', ...lines, ...upgrade, '', ''].join('\r\n'));
    await until(() => got.includes('\r\n\r\n'));
    assert.match(got, /^HTTP\/1\.1 101 /);
    assert.ok(got.includes(ACCEPT));
    return { socket, text: () => got };
  }

  test('curl gets the page of a dev server in a VM by NAME.localhost, and by PORT.NAME.localhost', async () => {
    assert.equal(await curl(url('dev')), expected('dev'));
    assert.equal(await curl(url(`${PORT}.dev`)), expected(`${PORT}.dev`));
    assert.match(await curl(url('1.dev')), /^Port 1 of VM "dev" does not answer\n/);
    const list = await curl('-H', 'accept: text/html', url('nope'));
    assert.match(list, new RegExp(`<a href="http://${PORT}.dev.localhost:${gatewayPort}/">${PORT}</a> perl`));
    const shown = JSON.parse(await lab.text(['vm', 'show', 'dev'])) as { web_url?: string };
    assert.equal(shown.web_url, url('dev'));
  });

  test('hot reload: a file that changes in the guest arrives over the WebSocket', async () => {
    const { socket, text } = await openWebSocket();
    await inGuest('dev', 'printf changed > /root/page');
    await until(() => text().endsWith('\x81\x07changed'));
    await inGuest('dev', 'printf first > /root/page');
    await until(() => text().endsWith('\x81\x05first'));
    socket.destroy();
    await until(async () => (await inGuest('dev', 'pgrep -c perl')).trim() === '1', { everyMs: 200 });
  });

  test('DNS has the address of the VM, and a rename at once', async () => {
    const resolver = new Resolver({ timeout: 20_000, tries: 2 });
    resolver.setServers([`${dns.address}:${dns.port}`]);
    const address = (await lab.text(['vm', 'show', 'dev', '--format', '.guest_ip'])).trim();
    assert.deepEqual(await resolver.resolve4('dev.vm'), [address]);
    await lab.text(['vm', 'rename', 'dev', 'other']);
    assert.deepEqual(await resolver.resolve4('other.vm'), [address]);
    await assert.rejects(resolver.resolve4('dev.vm'), { code: 'ENOTFOUND' });
    assert.equal(await curl(url('other')), expected('other'));
    await lab.text(['vm', 'rename', 'other', 'dev']);
  });

  test('a request to a suspended VM resumes it, and gets its page', async () => {
    await lab.text(['vm', 'suspend', 'dev']);
    const pages = await Promise.all([curl(url('dev')), curl(url(`${PORT}.dev`))]);
    assert.deepEqual(pages, [expected('dev'), expected(`${PORT}.dev`)]);
  });

  test('a guest with NAT does not reach other guests through the gateway', async () => {
    await lab.text([
      'vm',
      'create',
      '--name',
      'wired',
      '--nat',
      '--expose-host',
      String(gatewayPort),
      ...SMALL,
    ]);
    const ask = (place: string): string =>
      `curl -s --noproxy '*' --max-time 60 -H 'host: dev.localhost' http://${place}/; echo over $?`;
    assert.match(await inGuest('wired', ask(`10.0.2.2:${gatewayPort}`)), /^over (52|56)$/m);
    assert.equal(await curl(url('dev')), expected('dev'));
    assert.equal((await inGuest('wired', ask(`10.0.2.2:${gatewayPort}`))).includes('first'), false);
  });

  test('the daemon that comes next serves the same names', async () => {
    await lab.text(['daemon', 'stop']);
    const status = JSON.parse(await lab.text(['dns', 'status', '--json'])) as NameServers;
    gatewayPort = status.gateway.port ?? 0;
    assert.equal(await curl(url('dev')), expected('dev'));
  });
});
