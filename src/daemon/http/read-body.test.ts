import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import type { z } from 'zod';
import { isAppError } from '../../base/errors.ts';
import * as imageSchemas from '../../protocol/api/image-schemas.ts';
import * as vmSchemas from '../../protocol/api/vm-schemas.ts';
import * as workspaceSchemas from '../../protocol/api/workspace-schemas.ts';
import { readBody } from './read-body.ts';

function body(bytes: string | Uint8Array, schema?: z.ZodType): Promise<unknown> {
  const request = new IncomingMessage(new Socket());
  request.push(Buffer.from(bytes as Uint8Array));
  request.push(null);
  return readBody(request, schema);
}

test('an empty body counts as an empty object', async () => {
  for (const text of ['', ' \n', '{}']) {
    assert.deepEqual(await body(text), {});
    assert.deepEqual(await body(text, vmSchemas.createVmRequest), {});
  }
});

test('a body that fits its schema is its value', async () => {
  const value = { name: 'web', vcpuCount: 2, ephemeral: true };
  assert.deepEqual(await body(JSON.stringify(value), vmSchemas.createVmRequest), value);
});

for (const text of ['{', 'null', '[]', '1', '"x"', '{"a":1}', '{"__proto__":{"name":"x"}}', '\ufeff{}x']) {
  test(`${text} is REQUEST_INVALID where nothing is wanted`, async () => {
    await assert.rejects(body(text), { code: 'REQUEST_INVALID' });
  });
}

test('every bad field is named, without control characters', async () => {
  const bad = JSON.stringify({ name: 1, vcpuCount: 'x', 'a\u001b[2J': 1 });
  await assert.rejects(body(bad, vmSchemas.createVmRequest), (error) => {
    assert.ok(isAppError(error, 'REQUEST_INVALID'));
    assert.match(error.message, /name: .*vcpuCount: /);
    assert.equal(error.message.includes('\u001b'), false);
    return true;
  });
});

test('a body may have 1 MiB, and not a byte more', async () => {
  assert.deepEqual(await body(' '.repeat(2 ** 20)), {});
  await assert.rejects(body(' '.repeat(2 ** 20 + 1)), { code: 'REQUEST_TOO_LONG' });
});

test('any bytes are a value or REQUEST_INVALID', async () => {
  const all = [
    vmSchemas.createVmRequest,
    workspaceSchemas.prepareWorkspaceRequest,
    imageSchemas.buildImageRequest,
    undefined,
  ];
  const bytes = fc.oneof(fc.uint8Array(), fc.json(), fc.string({ unit: 'binary' }));
  await fc.assert(
    fc.asyncProperty(bytes, fc.constantFrom(...all), async (given, schema) => {
      try {
        const value = await body(given, schema);
        assert.equal(typeof value, 'object');
      } catch (error) {
        assert.ok(isAppError(error, 'REQUEST_INVALID'), String(error));
      }
    }),
  );
});
