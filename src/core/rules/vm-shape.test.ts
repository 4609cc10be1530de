import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmShape } from '../../protocol/vm.ts';
import { resolveShape, sharedCpusNotice } from './vm-shape.ts';

const GIB = 2 ** 30;
const defaults: VmShape = {
  vcpuCount: 2,
  memoryMib: 2048,
  diskSizeBytes: 8 * GIB,
  systemOverlaySizeBytes: 8 * GIB,
};
const world = { defaults, host: { cpuCount: 8, memoryMib: 16_384 } };

test('missing fields come from the defaults', () => {
  assert.deepEqual(resolveShape({}, world), defaults);
  assert.deepEqual(resolveShape({ vcpuCount: 8, memoryMib: undefined }, world), {
    ...defaults,
    vcpuCount: 8,
  });
});

for (const given of [
  { vcpuCount: 1 },
  { vcpuCount: 8 },
  { vcpuCount: 9 },
  { vcpuCount: 64 },
  { memoryMib: 128 },
  { memoryMib: 16_384 },
  { diskSizeBytes: 2 ** 26 },
  { systemOverlaySizeBytes: 4 * 2 ** 40 },
]) {
  test(`${JSON.stringify(given)} is at the limit and allowed`, () => {
    assert.deepEqual(resolveShape(given, world), { ...defaults, ...given });
  });
}

for (const [given, message, hint] of [
  [{ vcpuCount: 0 }, /vcpu 0: out of range/, /vcpu may be 1 to 64/],
  [{ vcpuCount: -1 }, /vcpu -1/, /1 to 64/],
  [{ vcpuCount: 65 }, /vcpu 65: more than allowed: a VM has at most 64 virtual CPUs/, /1 to 64/],
  [{ vcpuCount: 1.5 }, /vcpu 1.5: not a whole number/, /1 to 64/],
  [{ vcpuCount: Number.NaN }, /vcpu NaN/, /1 to 64/],
  [{ memoryMib: 1 }, /memory 1 MiB: out of range/, /128 MiB to 16384 MiB/],
  [{ memoryMib: 127 }, /memory 127 MiB/, /128 MiB/],
  [{ memoryMib: 16_385 }, /memory 16385 MiB: more than allowed: this host has 16384 MiB/, /16384 MiB/],
  [{ memoryMib: Number.POSITIVE_INFINITY }, /memory Infinity MiB/, /16384 MiB/],
  [{ diskSizeBytes: 0 }, /disk-size 0B/, /64M to 4T/],
  [{ diskSizeBytes: 2 ** 26 - 4096 }, /disk-size/, /64M to 4T/],
  [{ diskSizeBytes: 4 * 2 ** 40 + 4096 }, /disk-size/, /64M to 4T/],
  [{ diskSizeBytes: 100_001 * 1024 }, /disk-size 97.7M: not a multiple of 4K/, /64M to 4T/],
  [{ systemOverlaySizeBytes: -8 * GIB }, /system-overlay-size/, /64M to 4T/],
] as const) {
  test(`${JSON.stringify(given)} is refused`, () => {
    assert.throws(() => resolveShape(given, world), { code: 'VM_SHAPE_INVALID', message, hint });
  });
}

test('every bad field is named in one error', () => {
  const bad = { vcpuCount: 0, memoryMib: 0, diskSizeBytes: 0, systemOverlaySizeBytes: 0 };
  const fields = ['vcpu', 'memory', 'disk-size', 'system-overlay-size'];
  assert.throws(() => resolveShape(bad, world), { details: { fields } });
});

test('a VM with more virtual CPUs than the host has processors shares them, with a notice', () => {
  assert.equal(sharedCpusNotice({ vcpuCount: 8 }, { cpuCount: 8 }), undefined);
  assert.equal(
    sharedCpusNotice({ vcpuCount: 4 }, { cpuCount: 2 }),
    '4 virtual CPUs share the 2 processors of this host',
  );
  assert.equal(
    sharedCpusNotice({ vcpuCount: 2 }, { cpuCount: 1 }),
    '2 virtual CPUs share the 1 processor of this host',
  );
});
