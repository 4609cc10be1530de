import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { closedObject, integer, optional, text } from '../../base/json-schema/build.ts';
import type { JsonSchema } from '../../base/json-schema/schema.ts';
import { flag } from '../../protocol/api/common.ts';
import * as imageSchemas from '../../protocol/api/image.ts';
import * as vmSchemas from '../../protocol/api/vm-requests.ts';
import * as workspaceSchemas from '../../protocol/api/workspace.ts';
import { readBody, readQuery } from './read-request.ts';

function body(bytes: string | Uint8Array, schema?: JsonSchema): Promise<unknown> {
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

test('a body that matches its schema is returned', async () => {
  const value = { name: 'web', vcpuCount: 2, ephemeral: true };
  assert.deepEqual(await body(JSON.stringify(value), vmSchemas.createVmRequest), value);
});

for (const text of ['{', 'null', '[]', '1', '"x"', '{"a":1}', '{"__proto__":{"name":"x"}}', '\ufeff{}x']) {
  test(`${text} is REQUEST_INVALID where no body is expected`, async () => {
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

test('a body may have exactly 1 MiB', async () => {
  assert.deepEqual(await body(' '.repeat(2 ** 20)), {});
  await assert.rejects(body(' '.repeat(2 ** 20 + 1)), { code: 'REQUEST_TOO_LONG' });
});

test('any bytes are either a value or REQUEST_INVALID', async () => {
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

const query = closedObject({
  all: optional(flag('also others')),
  port: optional(integer(undefined, { minimum: 1 })),
  as: optional(text()),
});

for (const [given, value] of [
  ['', {}],
  ['all=1', { all: '1' }],
  ['port=22&as=a%2Fb', { port: 22, as: 'a/b' }],
  ['as=22', { as: '22' }],
] as const) {
  test(`the query "${given}" is accepted`, () => assert.deepEqual(readQuery(given, query), value));
}

for (const [given, why] of [
  ['all=2', /all: must be "1"/],
  ['all=true', /all: must be "1"/],
  ['al=1', /unknown field "al"/],
  ['__proto__=1', /unknown field "__proto__"/],
  ['port=0', /port: must be at least 1/],
  ['port=x', /port: must be a whole number/],
  ['port=1e3', /port: must be a whole number/],
  ['port=', /port: must be a whole number/],
  ['all=1&all=1', /given twice/],
] as const) {
  test(`the query "${given}" is REQUEST_INVALID`, () => {
    assert.throws(() => readQuery(given, query), { code: 'REQUEST_INVALID', message: why });
  });
}

test('any query is either a value or REQUEST_INVALID', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.webQueryParameters()), (given) => {
      try {
        const value = readQuery(given, query) as Record<string, unknown>;
        assert.ok(Object.keys(value).every((name) => ['all', 'port', 'as'].includes(name)));
      } catch (error) {
        assert.ok(isAppError(error, 'REQUEST_INVALID'), String(error));
      }
    }),
  );
});

test('the error for a body with many bad values names only the first ones', async () => {
  const names = Array.from({ length: 200_000 }, () => 1);
  await assert.rejects(body(JSON.stringify({ names }), vmSchemas.forkVmRequest), (error) => {
    assert.ok(isAppError(error, 'REQUEST_INVALID'));
    const { problems } = error.details as { problems: unknown[] };
    assert.equal(problems.length, 20);
    return true;
  });
});
