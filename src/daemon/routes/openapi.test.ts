import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closedObject, integer, object, optional, truth } from '../../base/json-schema/build.ts';
import { flag } from '../../protocol/api/common.ts';
import { jsonRoute, textRoute, workRoute } from '../http/route.ts';
import { ROUTES } from '../routes.ts';
import { openApiDocument } from './openapi.ts';

interface Operation {
  summary: string;
  parameters?: { name: string; in: string; required: boolean }[];
  requestBody?: { content: Record<string, { schema: { additionalProperties?: boolean } }> };
  responses: Record<string, { content?: Record<string, unknown> }>;
}

function operationsOf(document: Record<string, unknown>): Map<string, Operation> {
  const paths = Object.entries(document['paths'] as Record<string, Record<string, Operation>>);
  return new Map(
    paths.flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method} ${path}`, operation] as const),
    ),
  );
}

test('each kind of route is described with its parameters, body and answers', () => {
  const answer = object({ ok: truth() });
  const document = openApiDocument(
    [
      jsonRoute({
        method: 'GET',
        path: '/x',
        summary: 'x',
        query: closedObject({ all: optional(flag('also others')), size: integer() }),
        answer,
        run: () => ({}),
      }),
      workRoute({
        method: 'POST',
        path: '/x/:name/go/:part',
        summary: 'go',
        body: closedObject({ force: truth() }),
        answer,
        run: async () => ({ value: {} }),
      }),
      textRoute({ method: 'GET', path: '/x/:name', summary: 'text', run: () => assert.fail('not run') }),
    ],
    '1.2.3',
  );
  assert.deepEqual(
    [document['openapi'], document['info']],
    ['3.1.0', { title: 'banger daemon', version: '1.2.3' }],
  );
  const operations = operationsOf(document);
  const go = operations.get('post /v1/x/{name}/go/{part}');
  assert.deepEqual(
    go?.parameters?.map(({ name, required }) => [name, required]),
    [
      ['name', true],
      ['part', true],
      ['detach', false],
    ],
  );
  assert.deepEqual(operations.get('get /v1/x')?.parameters, [
    {
      name: 'all',
      in: 'query',
      required: false,
      description: 'also others',
      schema: { type: 'string', enum: ['1'] },
    },
    { name: 'size', in: 'query', required: true, schema: { type: 'integer' } },
  ]);
  assert.equal(go?.requestBody?.content['application/json']?.schema.additionalProperties, false);
  assert.ok(go?.responses['200']?.content?.['application/jsonl']);
  assert.ok(operations.get('get /v1/x')?.responses['200']?.content?.['application/json']);
  assert.ok(operations.get('get /v1/x/{name}')?.responses['200']?.content?.['text/plain']);
  assert.ok(operations.get('post /v1/vms/{ref}/exec')?.responses['101']);
});

test('every operation of the API has a summary, its errors, and each part of its path as a parameter', () => {
  const operations = operationsOf(openApiDocument(ROUTES, '1'));
  // And the two that upgrade to another protocol.
  assert.equal(operations.size, ROUTES.length + 2);
  for (const [name, operation] of operations) {
    assert.ok(operation.summary && operation.responses['default'], name);
    const parts = [...name.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1]);
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    assert.deepEqual(
      inPath.map((parameter) => parameter.name),
      parts,
      name,
    );
  }
});

test('the document lists the query parameters of the routes', () => {
  const operations = operationsOf(openApiDocument(ROUTES, '1'));
  const queryOf = (name: string): string[] =>
    (operations.get(name)?.parameters ?? []).filter((one) => one.in === 'query').map((one) => one.name);
  assert.deepEqual(queryOf('get /v1/vms'), ['all']);
  assert.deepEqual(queryOf('delete /v1/vms/{ref}'), ['resting', 'detach']);
  assert.deepEqual(queryOf('get /v1/vms/{ref}/logs'), ['kind', 'follow']);
  assert.deepEqual(queryOf('get /v1/vms/{ref}/files'), ['path', 'as', 'sparse']);
  assert.deepEqual(queryOf('post /v1/vms/{ref}/tcp'), ['port']);
  assert.deepEqual(queryOf('get /v1/daemon'), []);
});
