import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../base/errors.ts';
import { overlaySize } from './overlay-size.ts';

const VECTORS_FILE = new URL('../../test/fixtures/overlay-size.json', import.meta.url);

test('overlaySize() agrees with the guest on every shared vector', () => {
  const vectors: Record<string, number | boolean>[] = JSON.parse(readFileSync(VECTORS_FILE, 'utf8'));
  assert.ok(vectors.length > 10);
  for (const { imageBytes, freeBytes, isRefused, ...size } of vectors) {
    const compute = () => overlaySize({ imageBytes: Number(imageBytes), freeBytes: Number(freeBytes) });
    if (isRefused) assert.throws(compute, (error) => isAppError(error));
    else assert.deepEqual(compute(), size);
  }
});

test('overlaySize() always leaves room for every block of the image', () => {
  const chunks = fc.integer({ min: 1, max: 2 ** 32 });
  const freeBytes = fc.integer({ min: 0, max: 2 ** 44 });
  fc.assert(
    fc.property(chunks, freeBytes, (count, free) => {
      const size = overlaySize({ imageBytes: count * 4096, freeBytes: free });
      const needed = (1 + count + Math.floor(count / 256) + 1) * 4096;
      assert.ok(size.storeBytes >= needed);
      assert.ok(size.tailBytes >= free && size.tailBytes - free < 4096);
      assert.equal(size.storeBytes % 2 ** 20, 0);
      assert.equal(size.overlayBytes, size.storeBytes + size.tailBytes);
      assert.ok(Number.isSafeInteger(size.overlayBytes));
    }),
  );
});

test('overlaySize() refuses invalid sizes', () => {
  for (const imageBytes of [0, -4096, 4095, 4096.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 45]) {
    assert.throws(
      () => overlaySize({ imageBytes, freeBytes: 0 }),
      (error) => isAppError(error, 'IMAGE_SIZE_UNSUPPORTED'),
    );
  }
  for (const freeBytes of [-1, 0.5, Number.NaN, 2 ** 45]) {
    assert.throws(
      () => overlaySize({ imageBytes: 4096, freeBytes }),
      (error) => isAppError(error, 'SIZE_INVALID'),
    );
  }
});
