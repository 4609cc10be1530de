import { constant, object, record } from '../../base/json-schema/build.ts';
import type { JsonSchema } from '../../base/json-schema/schema.ts';
import { nothing } from '../../protocol/api/common.ts';
import { API_PREFIX } from '../../protocol/api.ts';
import { errorBody, JSON_LINES_TYPE, stepEvent } from '../../protocol/events.ts';
import { jsonRoute, queryOf, type Route } from '../http/route.ts';
import { UPGRADE_ROUTES } from '../http/upgrade.ts';
import type { UpgradeRoute } from '../http/upgrade-route.ts';

/** `GET /v1/openapi.json` for these routes. */
export function openApiRoute(routes: readonly Route[]): Route {
  return jsonRoute({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API as an OpenAPI document',
    answer: record(),
    run: ({ app }) => openApiDocument(routes, app.build.version),
  });
}

/** The API as an OpenAPI 3.1 document, from the schemas that requests and answers are checked with. */
export function openApiDocument(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = API_PREFIX + route.path.replace(/:([a-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  for (const route of UPGRADE_ROUTES) {
    paths[`${API_PREFIX}/vms/{ref}/${route.verb}`] = { post: upgradeOperation(route) };
  }
  return { openapi: '3.1.0', info: { title: 'banger daemon', version }, paths };
}

function operation(route: Route): Record<string, unknown> {
  const names = [...route.path.matchAll(/:([a-z]+)/g)].map((match) => match[1] ?? '');
  const parameters = [...names.map(inPath), ...inQuery(queryOf(route))];
  return {
    summary: route.summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.kind === 'upload' ? { requestBody: { content: binary(route.contentType) } } : {}),
    ...(route.body ? { requestBody: { content: { 'application/json': { schema: route.body } } } } : {}),
    responses: { 200: success(route), default: failure() },
  };
}

function upgradeOperation({ summary, protocol, query }: UpgradeRoute): Record<string, unknown> {
  const header = { name: 'Upgrade', in: 'header', required: true, schema: constant(protocol) };
  return {
    summary,
    parameters: [inPath('ref'), ...inQuery(query ?? nothing), header],
    responses: { 101: { description: 'a stream of bytes in both directions' }, default: failure() },
  };
}

function inPath(name: string): Record<string, unknown> {
  return { name, in: 'path', required: true, schema: { type: 'string' } };
}

function inQuery({ properties = {}, required = [] }: JsonSchema): Record<string, unknown>[] {
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function success(route: Route): Record<string, unknown> {
  switch (route.kind) {
    case 'json':
    case 'upload':
      return { description: 'done', content: { 'application/json': { schema: route.answer } } };
    case 'work':
      return events(route.answer);
    case 'events':
      return events({});
    case 'text':
      return { description: 'text', content: { 'text/plain': { schema: { type: 'string' } } } };
    case 'bytes':
      return {
        description: 'bytes; complete unless the trailer has an error',
        content: binary(route.contentType),
      };
    default:
      return route satisfies never;
  }
}

function events(value: JsonSchema): Record<string, unknown> {
  const schema = {
    anyOf: [
      stepEvent,
      object({ event: constant('error'), error: errorBody }),
      object({ event: constant('result'), value }),
    ],
  };
  return {
    description: 'events as JSON lines; the last one is "result" or "error"',
    content: { [JSON_LINES_TYPE]: { schema } },
  };
}

function binary(contentType: string): Record<string, unknown> {
  return { [contentType]: { schema: { type: 'string', format: 'binary' } } };
}

function failure(): Record<string, unknown> {
  return { description: 'failed', content: { 'application/json': { schema: errorBody } } };
}
