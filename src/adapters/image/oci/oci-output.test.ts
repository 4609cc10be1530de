import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { checked, ociImage, parseOciLine } from './oci-output.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;
const IMAGE = {
  reference: 'localhost:5000/x:1',
  manifestDigest: DIGEST,
  configDigest: DIGEST,
  platform: 'linux/amd64',
  layers: [{ digest: DIGEST, sizeBytes: 3 }],
  config: { env: ['A=b'], cmd: ['sh'], user: '1000:1000', labels: { a: 'b' } },
};

test('progress, results and errors are told apart', () => {
  const progress = { layers: 2, layersDone: 1, bytes: 10, bytesDone: 3 };
  assert.deepEqual(parseOciLine(JSON.stringify({ progress })), { kind: 'progress', progress });
  const result = parseOciLine(JSON.stringify({ image: IMAGE }));
  assert.ok(result.kind === 'result');
  assert.deepEqual(checked(ociImage, result.value['image']), IMAGE);
  const failed = parseOciLine('{"error":{"code":"REGISTRY_NOT_FOUND","message":"no\\u001b[31m","hint":"h"}}');
  assert.ok(failed.kind === 'failure');
  assert.equal(failed.error.code, 'REGISTRY_NOT_FOUND');
  assert.equal(failed.error.message, 'no [31m');
  assert.equal(failed.error.hint, 'h');
});

test('an error with an unknown code is not passed on', () => {
  assert.throws(
    () => parseOciLine('{"error":{"code":"VM_NOT_FOUND","message":"x"}}'),
    (error) => isAppError(error, 'IMAGE_BUILD_FAILED'),
  );
});

test('any line, and any result, is understood or refused', () => {
  const understand = (text: string): void => {
    try {
      const line = parseOciLine(text);
      if (line.kind === 'result') checked(ociImage, line.value['image']);
    } catch (error) {
      assert.ok(isAppError(error, 'IMAGE_BUILD_FAILED'), String(error));
    }
  };
  fc.assert(fc.property(fc.string(), understand));
  fc.assert(fc.property(fc.json(), understand));
  const field = fc.constantFrom(...(Object.keys(IMAGE) as (keyof typeof IMAGE)[]));
  fc.assert(
    fc.property(field, fc.jsonValue(), (name, value) =>
      understand(JSON.stringify({ image: { ...IMAGE, [name]: value } })),
    ),
  );
});
