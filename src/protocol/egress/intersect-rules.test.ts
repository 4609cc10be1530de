import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEgressRule } from './egress-rule.ts';
import { narrowedTo } from './intersect-rules.ts';

const both = (own: string, ...others: string[]): string[] => narrowedTo(own, others.map(parseEgressRule));

test('what two rules both allow is the narrower name, and the ports of both', () => {
  assert.deepEqual(both('*.a.test', 'x.a.test:443'), ['x.a.test:443']);
  assert.deepEqual(both('x.a.test:443', '*.a.test'), ['x.a.test:443']);
  assert.deepEqual(both('*.a.test:1-80', '*.b.a.test:50-90'), ['*.b.a.test:50-80']);
  assert.deepEqual(both('a.test:80', 'a.test:443'), []);
  assert.deepEqual(both('*.a.test', 'a.test'), []);
  assert.deepEqual(both('*.a.test', 'bada.test', '*.aa.test'), []);
  assert.deepEqual(both('a.test', 'udp/a.test'), []);
  assert.deepEqual(both('a.test', 'a.test:80', 'a.test'), ['a.test']);
  assert.deepEqual(both('a.test', 'a.test:80', 'a.test:443'), ['a.test:80', 'a.test:443']);
});

test('what two rules both allow is the network inside the other', () => {
  assert.deepEqual(both('10.0.0.0/8:80', '10.1.0.0/16'), ['10.1.0.0/16:80']);
  assert.deepEqual(both('10.1.2.3', '10.0.0.0/8'), ['10.1.2.3']);
  assert.deepEqual(both('10.0.0.0/8', '11.0.0.0/8', '::/0', 'a.test'), []);
  assert.deepEqual(both('::/0', '2001:db8::/32'), ['2001:db8::/32']);
});

test('addresses that only a rule for themselves allows need one of the own rules', () => {
  for (const address of ['169.254.169.254', '169.254.0.0/16', '168.63.129.16', '100.100.100.200']) {
    assert.deepEqual(both('0.0.0.0/0', address), [], address);
    assert.deepEqual(both(address, '0.0.0.0/0'), [address], address);
  }
  for (const address of ['fd00:ec2::254', 'fe80::1', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1']) {
    assert.deepEqual(both('::/0', address), [], address);
    assert.deepEqual(both(address, '::/0'), [address], address);
  }
  assert.deepEqual(both('169.254.0.0/16', '169.254.169.254'), ['169.254.169.254']);
});
