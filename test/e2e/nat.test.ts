import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { freePort } from '../support/network/local-server.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

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
    await lab.text(['vm', 'create', '--name', 'wired', '--nat', ...SMALL]);
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
  const setNat = async (nat: boolean): Promise<void> => {
    await lab.text(['vm', 'set', nat ? '--nat' : '--no-nat', 'wired']);
    assert.match(await lab.text(['vm', 'show', 'wired']), new RegExp(`"nat": ${nat}`));
  };

  test('nat: a guest with --nat reaches the host and has a nameserver', async () => {
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
    assert.equal(await inGuest(`${greeting('10.0.2.2')} 2>/dev/null`), '');
  });
});
