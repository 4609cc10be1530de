import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type HostCounts, whatIsNew } from '../soak/host-counts.ts';
import { slopePerHour } from '../soak/memory-watch.ts';
import { VmPool } from '../soak/vm-pool.ts';

const NOTHING: HostCounts = {
  daemonFds: [],
  files: [],
  processes: [],
  unixSockets: [],
  ports: [],
  records: [],
};

describe('the soak', () => {
  test('reports new items, and how many more of an existing kind', () => {
    const before = { ...NOTHING, daemonFds: ['socket', 'socket', 'pipe'], files: ['s/a', 's/b'] };
    const after = { ...before, daemonFds: ['pipe', 'socket', 'socket', 'socket'], files: ['s/b', 's/c'] };
    assert.deepEqual(whatIsNew(before, after), ['daemonFds: socket', 'files: s/c']);
    assert.deepEqual(whatIsNew(after, after), []);
    assert.deepEqual(whatIsNew(NOTHING, { ...NOTHING, records: ['vm x'], ports: ['tcp 1'] }), [
      'ports: tcp 1',
      'records: vm x',
    ]);
  });

  test('finds the growth per hour in fluctuating values', () => {
    const values = Array.from({ length: 60 }, (_, minute) => ({
      atMs: minute * 60_000,
      value: 100 + minute / 6 + (minute % 2 === 0 ? 3 : -3),
    }));
    assert.ok(Math.abs(slopePerHour(values) - 10) < 0.5, String(slopePerHour(values)));
    assert.equal(slopePerHour([{ atMs: 5, value: 1 }]), 0);
  });

  test('allows one task that changes a VM, or any number of tasks that use it', () => {
    const pool = new VmPool(2, () => 0);
    const room = pool.reserve();
    assert.ok(room);
    room[Symbol.dispose]();
    const vm = { name: 'one', state: 'running', nat: false, memoryMib: 256 } as const;
    pool.add({ ...vm });
    const first = pool.share();
    const second = pool.share();
    assert.ok(first && second);
    assert.equal(pool.take('running'), undefined);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    assert.equal(pool.take('running'), undefined, 'a second release does nothing');
    second[Symbol.dispose]();
    assert.equal(pool.take('stopped'), undefined);
    const taken = pool.take('running');
    assert.equal(taken?.vm.name, 'one');
    assert.equal(pool.share(), undefined);
    using last = pool.reserve();
    assert.ok(last);
    assert.equal(pool.reserve(), undefined, 'a VM and one that is being created are two');
  });
});
