import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from './network-of.ts';
import { withProxyPorts } from './proxy-ports.ts';

const FORWARDS = [
  { hostPort: 8080, guestPort: 80 },
  { hostPort: 5432, guestPort: 5433, isReverse: true },
];

test('a guest reaches the ports of the host that were exposed to it and those of its proxies, and no others', () => {
  const network = { mode: 'user' } as const;
  assert.deepEqual(networkOf({ network }), { mode: 'user', exposedPorts: [] });
  assert.deepEqual(networkOf({ network, forwards: FORWARDS, proxyPorts: [3128, 5432] }), {
    mode: 'user',
    exposedPorts: [3128, 5432],
  });
});

test('a guest without a network reaches no port at its gateway, whatever is exposed to it', () => {
  const alone = networkOf({ network: { mode: 'none' }, forwards: FORWARDS, proxyPorts: [1] });
  assert.deepEqual(alone, { mode: 'none' });
});

test('the ports of proxies are on record only while the guest has a network and proxies', () => {
  const wired = { network: { mode: 'user' }, proxyPorts: [1] } as never;
  assert.deepEqual(withProxyPorts(wired, { proxyPorts: [2] }), {
    network: { mode: 'user' },
    proxyPorts: [2],
  });
  assert.deepEqual(withProxyPorts(wired, { proxyPorts: [] }), { network: { mode: 'user' } });
  const alone = { network: { mode: 'none' }, proxyPorts: [1] } as never;
  assert.deepEqual(withProxyPorts(alone, { proxyPorts: [2] }), { network: { mode: 'none' } });
});

test('a guest with rules reaches what they stand for', () => {
  const policy = { allow: ['@npm'], rules: [{ rule: 'npm.test:443', from: '@npm' }] };
  assert.deepEqual(networkOf({ network: { mode: 'user', policy } }), {
    mode: 'user',
    exposedPorts: [],
    policy: { mode: 'enforce', rules: policy.rules },
  });
});
