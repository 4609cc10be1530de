import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from './network-of.ts';
import { withProxyPorts } from './proxy-ports.ts';
import { requestedNetwork } from './requested-network.ts';

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

test('a request may spell a network in two ways, which must agree', () => {
  assert.equal(requestedNetwork({}), undefined);
  assert.deepEqual(requestedNetwork({ nat: true }), { mode: 'user' });
  assert.deepEqual(requestedNetwork({ nat: false }), { mode: 'none' });
  assert.deepEqual(requestedNetwork({ network: { mode: 'user' } }), { mode: 'user' });
  assert.deepEqual(requestedNetwork({ network: { mode: 'user' }, nat: true }), { mode: 'user' });
  assert.throws(() => requestedNetwork({ network: { mode: 'none' }, nat: true }), {
    code: 'REQUEST_INVALID',
  });
});
