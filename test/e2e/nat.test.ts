import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { readVmmProcess } from '../../src/adapters/vmm/vmm-process.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { freePort } from '../support/network/local-server.ts';
import { patient } from '../support/patience.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

interface State {
  exposedPorts: number[];
  process: { pid: number; isConnected: boolean };
}

// Guests reach only this machine's own loopback here, so nothing leaves it.
describe('nat', () => {
  const server = createServer((_request, response) => response.end('from the host'));
  let lab: Lab;
  let port: number;
  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'wired', '--nat', '--expose-host', String(port), ...SMALL]);
  });
  after(async () => {
    server.close();
    server.closeAllConnections();
    await lab[Symbol.asyncDispose]();
  });

  const inGuest = async (script: string): Promise<string> =>
    await lab.text(['vm', 'exec', 'wired', '--', 'sh', '-c', script]);
  const fetchHost = (): string =>
    `curl -s --max-time 60 http://10.0.2.2:${port} || echo nothing, curl said $?`;
  const networkState = async (): Promise<State> =>
    JSON.parse(await lab.text(['vm', 'network', '--json', 'wired'])) as State;
  const setNat = async (nat: boolean): Promise<void> => {
    await lab.text(['vm', 'set', nat ? '--nat' : '--no-nat', 'wired']);
    assert.match(await lab.text(['vm', 'show', 'wired']), new RegExp(`"nat": ${nat}`));
  };

  test('nat: a guest with --nat reaches exposed ports of the host and has a nameserver', async () => {
    assert.equal(await inGuest(fetchHost()), 'from the host');
    assert.match(await inGuest('cat /etc/resolv.conf'), /^nameserver 10\.0\.2\.3$/m);
    assert.match(await inGuest('ping -c 1 -W 60 10.0.2.3'), /1 received/);
    const addresses = await inGuest('ip -o addr show eth0');
    assert.match(addresses, /inet 10\.0\.2\.15\/24/);
    assert.match(addresses, /inet6 fec0::15\/64/);
    assert.match(await lab.text(['vm', 'show', 'wired']), /"nat": true/);
  });

  test('nat: switched off while the guest runs, nothing can be reached any more, whatever root in the guest tries', async () => {
    await setNat(false);
    assert.match(await inGuest(fetchHost()), /^nothing, curl said 7/);
    assert.equal(await inGuest('getent hosts somewhere.test; echo $?'), '2\n');
    const force = [
      'ip link set eth0 up',
      'ip addr add 10.0.2.15/24 dev eth0',
      'ip -6 addr add fec0::15/64 dev eth0 nodad',
      'ip route add default via 10.0.2.2',
      `curl -s --max-time 2 http://10.0.2.2:${port}; echo tcp $?`,
      `curl -s --max-time 2 -g "http://[fec0::2]:${port}"; echo tcp6 $?`,
      'ping -c 1 -W 1 10.0.2.2 >/dev/null; echo icmp $?',
      'echo nameserver 10.0.2.3 > /etc/resolv.conf',
      'timeout 3 getent hosts somewhere.test; echo dns $?',
    ];
    assert.equal(await inGuest(force.join('\n')), 'tcp 28\ntcp6 28\nicmp 1\ndns 124\n');
  });

  test('nat: switched on again, it works at once, and after a restart', async () => {
    await setNat(true);
    assert.equal(await inGuest(fetchHost()), 'from the host');
    await lab.text(['vm', 'stop', 'wired']);
    await lab.text(['vm', 'start', 'wired']);
    assert.equal(await inGuest(fetchHost()), 'from the host');
  });

  test('nat: the host at 10.0.2.2 does not lead to forwarded ports of VMs', async () => {
    await setNat(true);
    const forwarded = await freePort();
    await lab.text(['vm', 'port', 'wired', `${forwarded}:22`]);
    const greeting = (host: string): string =>
      `timeout 20 bash -c 'head -c 4 </dev/tcp/${host}/${forwarded}' || true`;
    await until(async () => {
      const { stdout } = await exec(['bash', '-c', greeting('127.0.0.1')], { signal: neverAborts() });
      return stdout.toString() === 'SSH-';
    });
    assert.equal(await inGuest(fetchHost()), 'from the host', 'other ports of the host are reached');
    assert.equal(await inGuest(`${greeting('10.0.2.2')} 2>/dev/null`), '', 'it is not exposed');
    await lab.text(['vm', 'port', '--reverse', 'wired', `${forwarded}:${forwarded}`]);
    assert.equal(
      await inGuest(`${greeting('10.0.2.2')} 2>/dev/null`),
      '',
      'it is a VM behind an exposed port',
    );
    const { exposedPorts } = await networkState();
    assert.ok(exposedPorts.includes(forwarded) && exposedPorts.includes(port));
  });

  test('nat: a port of the host that is not exposed is refused at once, in every spelling', async () => {
    const closed = createServer((_request, response) => response.end('secret')).listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port: other } = closed.address() as AddressInfo;
    try {
      for (const host of ['10.0.2.2', '[fec0::2]', '169.254.169.254', '[::ffff:127.0.0.1]', '127.77.0.1']) {
        const tried = await inGuest(`curl -s -g --max-time 20 http://${host}:${other}; echo curl $?`);
        assert.match(tried, /^curl 7$/m, host);
      }
    } finally {
      closed.close();
    }
  });

  test('nat: a network that is killed is back at once, with the same ports and no others', async () => {
    const before = await networkState();
    process.kill(before.process.pid, 'SIGKILL');
    const killedAt = performance.now();
    await until(async () => {
      const state = await networkState().catch(() => undefined);
      return state?.process?.isConnected === true && state.process.pid !== before.process.pid;
    });
    const tookMs = performance.now() - killedAt;
    assert.equal(await inGuest(fetchHost()), 'from the host');
    assert.deepEqual((await networkState()).exposedPorts, before.exposedPorts);
    assert.ok(tookMs < patient(5_000), `${tookMs} ms`);
  });

  test('nat: connections outlive the daemon', async () => {
    const before = await networkState();
    const server = createTcpServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(
      0,
      '127.0.0.1',
    );
    await once(server, 'listening');
    const { port: echo } = server.address() as AddressInfo;
    await lab.text(['vm', 'port', '--reverse', 'wired', `${echo}:${echo}`]);
    const script = `exec 3<>/dev/tcp/10.0.2.2/${echo}; echo one >&3; head -n 1 <&3; while [ ! -e /tmp/go ]; do sleep 0.2; done; echo two >&3; head -n 1 <&3 > /tmp/got`;
    await inGuest(
      `rm -f /tmp/go /tmp/got; setsid bash -c '${script}' >/tmp/first 2>&1 & until grep -q one /tmp/first; do sleep 0.2; done`,
    );
    await lab.killDaemon();
    assert.equal(await inGuest('touch /tmp/go; until grep . /tmp/got; do sleep 0.2; done'), 'two\n');
    assert.equal((await networkState()).process.pid, before.process.pid);
    server.close();
  });

  test('nat: a VM that is stopped leaves no network', async () => {
    const { process: network } = await networkState();
    await lab.text(['vm', 'stop', 'wired']);
    // One that waits for its parent to take note has ended.
    assert.equal(await readVmmProcess(network.pid), undefined);
    assert.equal((await networkState()).process, undefined);
  });
});
