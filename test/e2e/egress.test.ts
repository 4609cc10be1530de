import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { NetworkLogEntry, NetworkVerdict } from '../../src/protocol/api/network.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

// The guest only tries what is refused, so nothing leaves this machine.
describe('egress rules', () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'ruled', '--allow', '198.51.100.1:443', ...SMALL]);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
  });

  const inGuest = async (script: string): Promise<string> =>
    await lab.text(['vm', 'exec', 'ruled', '--', 'sh', '-c', script]);
  const connect = async (url: string): Promise<string> =>
    await inGuest(`curl -s --max-time 30 ${url}; echo curl said $?`);
  const check = async (target: string, vm = 'ruled'): Promise<boolean> => {
    const { stdout } = await lab.run(['vm', 'network', 'check', '--json', vm, target]);
    return (JSON.parse(stdout.toString()) as NetworkVerdict).allowed;
  };
  const refusals = async (): Promise<string[]> => {
    const log = JSON.parse(await lab.text(['vm', 'network', 'log', '--json', 'ruled'])) as NetworkLogEntry[];
    return log.flatMap(({ verdict, allow = 'none' }) => (verdict === 'refused' ? [allow] : []));
  };

  test('egress: what no rule allows is refused at once, and the log names the rule that would allow it', async () => {
    assert.equal(await connect('http://192.0.2.1'), 'curl said 7\n');
    assert.equal(await inGuest('getent hosts evil.test; echo $?'), '2\n');
    assert.equal(await connect('http://169.254.169.254'), 'curl said 7\n');
    const found = await refusals();
    for (const allow of ['192.0.2.1:80', 'evil.test', '169.254.169.254:80']) {
      assert.ok(found.includes(allow), `${allow} is not among ${found.join(' ')}`);
    }
  });

  test('egress: rules change while the guest runs, and stay when its network dies and when it is stopped', async () => {
    const both = async (): Promise<boolean[]> => [
      await check('192.0.2.1:80'),
      await check('198.51.100.1:443'),
    ];
    assert.deepEqual(await both(), [false, true]);
    await lab.text(['vm', 'set', '--allow', '192.0.2.1:80', '--disallow', '198.51.100.1:443', 'ruled']);
    assert.deepEqual(await both(), [true, false]);
    const pid = async (): Promise<number | undefined> => {
      const text = await lab.text(['vm', 'network', '--json', 'ruled']);
      return (JSON.parse(text) as { process?: { pid: number } }).process?.pid;
    };
    const killed = await pid();
    process.kill(killed ?? 0, 'SIGKILL');
    await until(async () => ![undefined, killed].includes(await pid().catch(() => undefined)));
    assert.deepEqual(await both(), [true, false]);
    assert.equal(await connect('https://198.51.100.1'), 'curl said 7\n');
    await lab.text(['vm', 'stop', 'ruled']);
    await lab.text(['vm', 'start', 'ruled']);
    assert.deepEqual(await both(), [true, false]);
  });

  test('egress: forks and restored snapshots have the rules, and a fork has none of the connections', async () => {
    let heard = '';
    const server = createServer((socket) => {
      socket.unref().on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        heard += bytes.toString();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const talk = `exec 3<>/dev/tcp/10.0.2.2/${port}; while echo "from $(hostname)" >&3; do sleep 0.2; done; touch /tmp/ended`;
    const isFrom = (name: string) => (): boolean => heard.includes(`from ${name}\n`);
    try {
      await lab.text(['vm', 'set', '--expose-host', String(port), 'ruled']);
      await lab.text(['vm', 'exec', '--detach', 'ruled', '--', 'bash', '-c', talk]);
      await until(isFrom('ruled'));
      await lab.text(['vm', 'snapshot', 'create', 'ruled', 'one']);
      await lab.text(['vm', 'fork', '--name', 'branch', 'ruled']);
      assert.deepEqual(
        [await check('192.0.2.1:80', 'branch'), await check('198.51.100.1:443', 'branch')],
        [true, false],
      );
      // The loop of the fork ends, because nobody outside knows its connection; that of the source goes on.
      await lab.text([
        'vm',
        'exec',
        'branch',
        '--',
        'sh',
        '-c',
        'until [ -e /tmp/ended ]; do sleep 0.1; done',
      ]);
      heard = '';
      await until(isFrom('ruled'));
      assert.equal(isFrom('branch')(), false);
      await lab.text(['vm', 'set', '--allow', '198.51.100.1:443', '--unexpose-host', String(port), 'ruled']);
      await lab.text(['vm', 'snapshot', 'restore', 'ruled', 'one']);
      assert.deepEqual([await check('192.0.2.1:80'), await check('198.51.100.1:443')], [true, false]);
    } finally {
      server.close();
    }
  });
});
