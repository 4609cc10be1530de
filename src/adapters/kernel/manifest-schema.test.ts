import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { type KernelManifest, parseKernelManifest } from './manifest-schema.ts';

const manifest: KernelManifest = {
  format: 1,
  name: 'debian-6.1.192-2-cloud-amd64',
  release: '6.1.0-56-cloud-amd64',
  arch: 'amd64',
  createdAt: '2026-11-22T06:54:10.106Z',
  files: { vmlinuz: 1, 'modules.ext4': 2 },
};

const isDamaged = (error: unknown) => isAppError(error, 'KERNEL_DAMAGED');

test('a manifest is read back unchanged', () => {
  assert.deepEqual(parseKernelManifest(JSON.stringify(manifest), manifest.name), manifest);
});

test('any text is either a manifest or KERNEL_DAMAGED', () => {
  const check = (text: string): void => {
    try {
      parseKernelManifest(text, manifest.name);
    } catch (error) {
      assert.ok(isDamaged(error), String(error));
    }
  };
  const field = fc.constantFrom(...(Object.keys(manifest) as (keyof KernelManifest)[]));
  fc.assert(fc.property(fc.string(), check));
  fc.assert(fc.property(fc.json(), check));
  fc.assert(
    fc.property(field, fc.jsonValue(), (name, value) =>
      check(JSON.stringify({ ...manifest, [name]: value })),
    ),
  );
});

test('the manifest of another kernel is refused', () => {
  assert.throws(() => parseKernelManifest(JSON.stringify(manifest), 'other'), isDamaged);
});
