import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPortOf, hostPorts } from './host-port.ts';

test('a port that the daemon may not use moves up by 8000', () => {
  assert.equal(hostPortOf(22, 1024), 8022);
  assert.equal(hostPortOf(1024, 1024), 1024);
  assert.equal(hostPortOf(22, 1), 22);
});

test('a port that moved makes way for the port of that number', () => {
  for (const order of [
    [80, 8080],
    [8080, 80],
  ]) {
    assert.deepEqual([...hostPorts(order, 1024)], [[8080, 8080]]);
  }
  assert.deepEqual(
    [...hostPorts([80, 443], 1024)],
    [
      [8080, 80],
      [8443, 443],
    ],
  );
});
