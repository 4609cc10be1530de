import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { CLIENT, TALKER } from '../support/network/guest-servers.ts';
import { askPort, startEcho, startTalker, talkTo } from '../support/network/local-server.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

/** Sends back what it receives, at one address of the guest, one connection at a time, until it is killed. */
const ECHO = (address: string, port: number): string =>
  [
    'use IO::Socket::IP; $SIG{CHLD} = "IGNORE";',
    `my $s = IO::Socket::IP->new(LocalHost => "${address}", LocalPort => ${port}, Listen => 128, ReuseAddr => 1) or die $@;`,
    'while (my $c = $s->accept) { next if fork; while (sysread $c, my $b, 65536) { syswrite $c, $b } exit }',
  ].join(' ');

describe('ports of guests', () => {
  let lab: Lab;
  let address: string;
  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'smoke-ports', ...SMALL]);
    address = (await lab.text(['vm', 'show', 'smoke-ports', '--format', '.guest_ip'])).trim();
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
  });

  const inGuest = async (...command: string[]): Promise<string> =>
    await lab.text(['vm', 'exec', 'smoke-ports', '--', ...command]);
  const listen = async (host: string, port: number): Promise<void> => {
    await inGuest('sh', '-c', `perl -e '${ECHO(host, port)}' >/dev/null 2>&1 & echo`);
  };
  const answers = async (port: number): Promise<boolean> => (await askPort(address, port, 'hi')) === 'hi';
  const sshPort = async (): Promise<number> => {
    const ran = await lab.run(['vm', 'ports', '--json', 'smoke-ports']);
    // A guest that is emulated on a busy host does not always answer in time.
    if (ran.code !== 0) return 0;
    const listed = JSON.parse(ran.stdout.toString()) as {
      ports: { port: number; hostPort?: number }[];
    }[];
    return listed[0]?.ports.find(({ port }) => port === 22)?.hostPort ?? 0;
  };

  test('vm_ports', async () => {
    const isListed = async (): Promise<boolean> =>
      /^smoke-ports\.vm:22 +tcp +sshd /m.test(
        (await lab.run(['vm', 'ports', 'smoke-ports'])).stdout.toString(),
      );
    await until(isListed, { what: 'sshd to be listed', everyMs: 200 });
    await until(async () => (await sshPort()) > 0, { what: 'its port to be forwarded', everyMs: 200 });
    assert.match(
      await lab.text(['vm', 'list']),
      new RegExp(`smoke-ports +running +${address.replaceAll('.', '\\.')} `),
    );
    const greeting = await new Promise<string>((resolve, reject) => {
      void sshPort().then((port) => {
        const socket = connect(port, address);
        socket.once('error', reject);
        socket.once('data', (chunk) => {
          resolve(chunk.toString());
          socket.destroy();
        });
      }, reject);
    });
    assert.match(greeting, /^SSH-2\.0-/);
  });

  test('a port appears on the address of the VM soon after the guest listens, whatever the address, and goes', async () => {
    for (const [host, port] of [
      ['0.0.0.0', 5_001],
      ['127.0.0.1', 5_002],
      ['::1', 5_003],
      ['::', 5_004],
      ['127.0.0.9', 5_005],
    ] as const) {
      await listen(host, port);
      await until(() => answers(port), { what: `port ${port} on ${host} to answer`, deadlineMs: 100_000 });
    }
    await inGuest('pkill', 'perl');
    for (const port of [5_001, 5_005]) {
      await until(async () => (await askPort(address, port, 'hi')) === undefined, { what: `${port} to go` });
    }
  });

  test('either side of a connection may end its output first, in both directions', async () => {
    await inGuest('sh', '-c', `python3 -c '${TALKER}' 5010 /tmp/heard >/dev/null 2>&1 & echo`);
    // More than all buffers on the way.
    const late = 'x'.repeat(6_000_000);
    await until(async () => (await talkTo(address, 5_010, late))?.answer === 'that is all');
    const heard = (): Promise<string> => inGuest('sh', '-c', 'cat /tmp/heard 2>/dev/null; true');
    await until(async () => (await heard()).includes(`${late.length}\n`), { what: 'the guest to hear all' });

    await using talker = await startTalker();
    await using echo = await startEcho();
    await lab.text(['vm', 'port', '--reverse', 'smoke-ports', `${talker.port}:5011`]);
    await lab.text(['vm', 'port', '--reverse', 'smoke-ports', `${echo.port}:5012`]);
    const ask = (...words: string[]): Promise<string> =>
      inGuest('sh', '-c', 'python3 -c "$0" "$@" 2>&1; true', CLIENT, ...words);
    await until(async () => (await ask('5011', 'late')) === 'that is all', { what: 'the host' });
    await until(() => talker.heard.includes('late'), { what: 'the host to hear the guest' });
    await until(async () => (await ask('5012', 'at first', 'first')) === 'at first', { what: 'the echo' });
    await until(() => talker.connections.size + echo.connections.size === 0);
  });

  test('a connection to a suspended VM resumes it and is served', async () => {
    await listen('0.0.0.0', 5_006);
    await until(() => answers(5_006));
    await lab.text(['vm', 'suspend', 'smoke-ports']);
    assert.deepEqual(await Promise.all(['a', 'b'].map((text) => askPort(address, 5_006, text))), ['a', 'b']);
    assert.equal((await lab.text(['vm', 'show', 'smoke-ports', '--format', '.state'])).trim(), 'running');
  });
});
