import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergedPorts } from './list-guest-ports.ts';

test('mergedPorts() lists each port once, with its addresses and its first owner', () => {
  const ports = mergedPorts(
    [
      { proto: 'udp', address: '0.0.0.0', port: 53 },
      { proto: 'tcp', address: '::1', port: 80, pid: 7, process: 'web' },
      { proto: 'tcp', address: '127.0.0.1', port: 80, pid: 8, process: 'other' },
      { proto: 'tcp', address: '::1', port: 80, pid: 9 },
      { proto: 'tcp', address: '0.0.0.0', port: 53 },
    ],
    'web',
  );
  assert.deepEqual(ports, [
    { proto: 'tcp', port: 53, addresses: ['0.0.0.0'], endpoint: 'web.vm:53' },
    { proto: 'udp', port: 53, addresses: ['0.0.0.0'], endpoint: 'web.vm:53' },
    {
      proto: 'tcp',
      port: 80,
      addresses: ['::1', '127.0.0.1'],
      endpoint: 'web.vm:80',
      pid: 7,
      process: 'web',
    },
  ]);
});

test('mergedPorts() takes time proportional to the number of addresses of a port', () => {
  const many = Array.from({ length: 87_000 }, (_, n) => ({
    proto: 'tcp' as const,
    address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
    port: 80,
  }));
  const before = process.threadCpuUsage();
  assert.equal(mergedPorts(many, 'web')[0]?.addresses.length, 87_000);
  const used = process.threadCpuUsage();
  const usedMs = (used.user + used.system - before.user - before.system) / 1000;
  // An algorithm with quadratic time takes 24 s.
  assert.ok(usedMs < 2_000, `${usedMs} ms`);
});
