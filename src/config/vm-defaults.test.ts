import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vmDefaults } from './vm-defaults.ts';

for (const [cpuCount, memoryMib, vcpu, memory] of [
  [1, 1024, [1, 'builtin'], [512, 'builtin']],
  [2, 4096, [2, 'builtin'], [2048, 'builtin']],
  [8, 16_384, [2, 'auto'], [2048, 'auto']],
  [12, 32_768, [3, 'auto'], [4096, 'auto']],
  [64, 262_144, [4, 'auto'], [8192, 'auto']],
] as const) {
  test(`on a host with ${cpuCount} CPUs and ${memoryMib} MiB a VM gets ${vcpu[0]} and ${memory[0]} MiB`, () => {
    const found = vmDefaults({}, { cpuCount, memoryMib });
    assert.deepEqual(found.vcpuCount, { value: vcpu[0], from: vcpu[1] });
    assert.deepEqual(found.memoryMib, { value: memory[0], from: memory[1] });
    assert.deepEqual(found.diskSizeBytes, { value: 2 ** 33, from: 'builtin' });
  });
}

test('configured values win on every host', () => {
  const found = vmDefaults({ vcpuCount: 7, systemOverlaySizeBytes: 1 }, { cpuCount: 2, memoryMib: 4096 });
  assert.deepEqual(found.vcpuCount, { value: 7, from: 'config' });
  assert.deepEqual(found.systemOverlaySizeBytes, { value: 1, from: 'config' });
  assert.equal(found.memoryMib.from, 'builtin');
});
