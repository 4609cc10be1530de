import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { type ImageManifest, parseImageManifest } from './manifest-schema.ts';

const manifest: ImageManifest = {
  format: 1,
  name: 'debian-bookworm',
  id: `sha256:${'0a'.repeat(32)}`,
  arch: 'amd64',
  distro: 'debian-bookworm',
  kernelName: 'debian-6.1.192-2-cloud-amd64',
  createdAt: '2026-11-22T07:05:07.423Z',
  files: { 'rootfs.ext4': 1_141_899_264 },
};

function parseOrDamaged(text: string): void {
  try {
    parseImageManifest(text, 'x');
  } catch (error) {
    assert.ok(isAppError(error, 'IMAGE_DAMAGED'), String(error));
  }
}

test('a manifest is read back unchanged', () => {
  assert.deepEqual(parseImageManifest(JSON.stringify(manifest), 'debian-bookworm'), manifest);
});

test('any text is either a manifest or IMAGE_DAMAGED', () => {
  fc.assert(fc.property(fc.string(), parseOrDamaged));
  fc.assert(fc.property(fc.json(), parseOrDamaged));
});

test('a manifest with any one field changed to any value is either a manifest or IMAGE_DAMAGED', () => {
  const field = fc.constantFrom(...(Object.keys(manifest) as (keyof ImageManifest)[]));
  fc.assert(
    fc.property(field, fc.jsonValue(), (name, value) =>
      parseOrDamaged(JSON.stringify({ ...manifest, [name]: value })),
    ),
  );
});

test('a file outside the image, or a newer format, is refused', () => {
  const damaged = (error: unknown) => isAppError(error, 'IMAGE_DAMAGED');
  for (const change of [
    { files: { '../../etc/passwd': 1 } },
    { files: { 'a/b': 1 } },
    { format: 2 },
    { kernelName: '..' },
  ]) {
    assert.throws(() => parseImageManifest(JSON.stringify({ ...manifest, ...change }), 'x'), damaged);
  }
});
