import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { missingOptions, parseKernelOptions } from './guest-options.ts';

const namesOf = (text: string, arch: 'amd64' | 'arm64') =>
  missingOptions(parseKernelOptions(text), arch).map(({ option }) => option);

test('an option counts when it is built in or a module, and not when it is off or unknown', () => {
  const text =
    'CONFIG_VIRTIO_BLK=m\nCONFIG_EXT4_FS=y\n# CONFIG_UNIX is not set\nCONFIG_HZ=250\nCONFIG_ACPI=n\n';
  const missing = namesOf(text, 'amd64');
  for (const there of ['CONFIG_VIRTIO_BLK', 'CONFIG_EXT4_FS']) assert.ok(!missing.includes(there), there);
  for (const gone of ['CONFIG_UNIX', 'CONFIG_ACPI', 'CONFIG_DM_SNAPSHOT'])
    assert.ok(missing.includes(gone), gone);
  assert.equal(parseKernelOptions(text).get('HZ'), '250');
});

test('what only one architecture needs is asked of no other', () => {
  const [pc, arm] = [namesOf('', 'amd64'), namesOf('', 'arm64')];
  assert.ok(pc.includes('CONFIG_ACPI') && pc.includes('CONFIG_SERIAL_8250_CONSOLE'));
  assert.ok(!arm.includes('CONFIG_ACPI') && arm.includes('CONFIG_SERIAL_AMBA_PL011_CONSOLE'));
});

test('a kernel with all of them lacks nothing', () => {
  const all = [...namesOf('', 'amd64'), ...namesOf('', 'arm64')].map((option) => `${option}=y\n`).join('');
  assert.deepEqual(namesOf(all, 'amd64'), []);
  assert.deepEqual(namesOf(all, 'arm64'), []);
});

test('any text has options', () => {
  fc.assert(fc.property(fc.string(), (text) => missingOptions(parseKernelOptions(text), 'arm64').length > 0));
});
