import { z } from 'zod';
import { errorBody } from '../../protocol/api/operation-schemas.ts';
import { API_PREFIX, EXEC_UPGRADE, TCP_UPGRADE } from '../../protocol/api.ts';
import { JSON_LINES_TYPE } from '../../protocol/events.ts';
import { jsonRoute, type Route } from '../http/route.ts';

/** `GET /v1/openapi.json` for these routes. */
export function openApiRoute(routes: readonly Route[]): Route {
  return jsonRoute({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API as an OpenAPI document',
    answer: z.object({}),
    run: ({ app }) => openApiDocument(routes, app.build.version),
  });
}

/** The API as an OpenAPI 3.1 document, from the schemas that validate it. */
export function openApiDocument(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = API_PREFIX + route.path.replace(/:([a-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  paths[`${API_PREFIX}/vms/{ref}/exec`] = {
    post: {
      summary: 'Run a command: after the upgrade, exec frames both ways (docs/agent-protocol.md)',
      parameters: [
        parameter('ref'),
        { name: 'Upgrade', in: 'header', required: true, schema: { const: EXEC_UPGRADE } },
      ],
      responses: { 101: { description: 'a stream of exec frames' }, default: failure() },
    },
  };
  paths[`${API_PREFIX}/vms/{ref}/tcp`] = {
    post: {
      summary: "Connect to a port on the guest's loopback addresses: after the upgrade, bytes both ways",
      parameters: [
        parameter('ref'),
        {
          name: 'port',
          in: 'query',
          required: true,
          schema: { type: 'integer', minimum: 1, maximum: 65_535 },
        },
        { name: 'Upgrade', in: 'header', required: true, schema: { const: TCP_UPGRADE } },
      ],
      responses: { 101: { description: 'a stream of bytes' }, default: failure() },
    },
  };
  return { openapi: '3.1.0', info: { title: 'banger daemon', version }, paths };
}

function operation(route: Route): Record<string, unknown> {
  const names = [...route.path.matchAll(/:([a-z]+)/g)].map((match) => match[1] ?? '');
  return {
    summary: route.summary,
    ...(names.length > 0 ? { parameters: names.map(parameter) } : {}),
    ...(route.kind === 'upload' ? { requestBody: { content: binary(route.contentType) } } : {}),
    ...(route.body
      ? { requestBody: { content: { 'application/json': { schema: schemaOf(route.body) } } } }
      : {}),
    responses: { 200: success(route), default: failure() },
  };
}

function success(route: Route): Record<string, unknown> {
  switch (route.kind) {
    case 'json':
    case 'upload':
      return { description: 'done', content: { 'application/json': { schema: schemaOf(route.answer) } } };
    case 'work':
      return events(schemaOf(route.answer));
    case 'events':
      return events({});
    case 'text':
      return { description: 'text', content: { 'text/plain': { schema: { type: 'string' } } } };
    case 'bytes':
      return {
        description: 'bytes, whole unless the trailer has an error',
        content: binary(route.contentType),
      };
    default:
      return route satisfies never;
  }
}

function events(value: unknown): Record<string, unknown> {
  const schema = { type: 'object', properties: { event: { const: 'result' }, value } };
  return {
    description: 'events as JSON lines; the last one, of event "result"',
    content: { [JSON_LINES_TYPE]: { schema } },
  };
}

function binary(contentType: string): Record<string, unknown> {
  return { [contentType]: { schema: { type: 'string', format: 'binary' } } };
}

function failure(): Record<string, unknown> {
  return { description: 'failed', content: { 'application/json': { schema: schemaOf(errorBody) } } };
}

function parameter(name: string): Record<string, unknown> {
  return { name, in: 'path', required: true, schema: { type: 'string' } };
}

function schemaOf(schema: z.ZodType): unknown {
  const { $schema: _, ...json } = z.toJSONSchema(schema);
  return json;
}
