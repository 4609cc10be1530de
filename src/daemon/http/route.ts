import type { Readable } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { JsonSchema, Schema } from '../../base/json-schema/schema.ts';
import { nothing } from '../../protocol/api/common.ts';
import { workQuery } from '../../protocol/api/operation.ts';
import type { Report } from '../../protocol/events.ts';
import type { App } from '../app.ts';
import type { RunningOperation } from '../operations.ts';

/** What a handler gets. */
export interface RouteRequest<Body, Query> extends Abortable {
  app: App;
  /** the `:name` parts of the path, decoded */
  params: Readonly<Record<string, string>>;
  query: Query;
  body: Body;
}

interface RouteBase<Body, Query> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** below `/v1`, with `:name` for variable parts */
  path: string;
  summary: string;
  /** of its query; without one, a query is refused */
  query?: Schema<Query>;
  /** of its JSON body; without one, only an empty body is taken */
  body?: Schema<Body>;
  /** `false`: a request only looks at its VM, as every plain answer to GET does */
  isUse?: false;
  /** `true`: also serves a VM that the daemon has not adopted yet; other routes wait for that */
  isEarly?: true;
}

/** Answers with one JSON value. */
export interface JsonRoute<Body, Query> extends RouteBase<Body, Query> {
  kind: 'json';
  answer: Schema<unknown>;
  run: (request: RouteRequest<Body, Query>) => unknown;
}

/**
 * Long work: an operation that answers with JSON lines. The client's disconnect aborts `signal`, unless the
 * operation is detached.
 */
export interface WorkRoute<Body, Query> extends RouteBase<Body, Query> {
  kind: 'work';
  answer: Schema<unknown>;
  /** `false`: ignores `signal`, because stopping halfway would do harm */
  isCancellable?: false;
  run: (request: RouteRequest<Body, Query> & { report: Report }) => Promise<WorkResult>;
}

/** The result of work. */
export interface WorkResult {
  value: unknown;
  /** keeps the stream open after the result; called once the client has disconnected */
  onClientGone?: (() => Promise<void>) | undefined;
}

/** Answers with streamed text. */
export interface TextRoute<Body, Query> extends RouteBase<Body, Query> {
  kind: 'text';
  run: (request: RouteRequest<Body, Query>) => Promise<Readable>;
}

/** Answers with the events of an operation that another request began. */
export interface EventsRoute<Body, Query> extends RouteBase<Body, Query> {
  kind: 'events';
  run: (request: RouteRequest<Body, Query>) => RunningOperation;
}

/** Answers with streamed bytes; the trailer reports a failure in the middle (`protocol/api.ts`). */
export interface BytesRoute<Body, Query> extends RouteBase<Body, Query> {
  kind: 'bytes';
  contentType: string;
  run: (request: RouteRequest<Body, Query>) => Promise<Readable>;
}

/** Takes a streamed body and answers with one JSON value. */
export interface UploadRoute<Body, Query> extends RouteBase<Body, Query> {
  kind: 'upload';
  contentType: string;
  answer: Schema<unknown>;
  run: (request: RouteRequest<Body, Query> & { content: Readable }) => Promise<unknown>;
}

export type Route =
  | JsonRoute<never, never>
  | WorkRoute<never, never>
  | TextRoute<never, never>
  | EventsRoute<never, never>
  | BytesRoute<never, never>
  | UploadRoute<never, never>;

/** Keeps the types of a route's body and query between their schemas and its handler. */
export function jsonRoute<Body, Query>(route: Omit<JsonRoute<Body, Query>, 'kind'>): Route {
  return { ...route, kind: 'json' } as unknown as Route;
}

/** Like {@link jsonRoute}, for long work. */
export function workRoute<Body, Query>(route: Omit<WorkRoute<Body, Query>, 'kind'>): Route {
  return { ...route, kind: 'work' } as unknown as Route;
}

/** Like {@link jsonRoute}, for text. */
export function textRoute<Query>(route: Omit<TextRoute<never, Query>, 'kind'>): Route {
  return { ...route, kind: 'text' } as unknown as Route;
}

/** Like {@link jsonRoute}, for bytes. */
export function bytesRoute<Query>(route: Omit<BytesRoute<never, Query>, 'kind'>): Route {
  return { ...route, kind: 'bytes' } as unknown as Route;
}

/** Like {@link jsonRoute}, for a streamed body. */
export function uploadRoute<Query>(route: Omit<UploadRoute<never, Query>, 'kind'>): Route {
  return { ...route, kind: 'upload' } as unknown as Route;
}

/** Like {@link jsonRoute}, for the events of an operation. */
export function eventsRoute<Query>(route: Omit<EventsRoute<never, Query>, 'kind'>): Route {
  return { ...route, kind: 'events' } as unknown as Route;
}

/** The schema of a route's query: work may also be detached. */
export function queryOf(route: Pick<Route, 'kind' | 'query'>): JsonSchema {
  const { query = nothing } = route;
  if (route.kind !== 'work') return query;
  return { ...query, properties: { ...query.properties, ...workQuery.properties } };
}

/** True when a request of this route counts as using the VM it names. */
export function isUse(route: Route): boolean {
  return route.isUse ?? !(route.kind === 'json' && route.method === 'GET');
}

/**
 * The kind of a route's operation, from its path: `POST /vms/:ref/start` is `vm.start`, `POST /vms` is
 * `vm.create`, `DELETE /vms/:ref` is `vm.delete`.
 */
export function operationKind({ method, path }: Pick<Route, 'method' | 'path'>): string {
  const [noun = '', ...verbs] = path.split('/').filter((part) => part !== '' && !part.startsWith(':'));
  const implied = method === 'DELETE' ? 'delete' : 'create';
  return [noun.replace(/s$/, ''), ...(verbs.length > 0 ? verbs : [implied])].join('.');
}

/** The route of a request, and the variable parts of its path. */
export function matchRoute(
  routes: readonly Route[],
  method: string | undefined,
  path: string,
): { route: Route; params: Record<string, string> } | undefined {
  const given = path.split('/');
  for (const route of routes) {
    if (route.method !== method) continue;
    const wanted = route.path.split('/');
    if (wanted.length !== given.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((part, index) => {
      const value = given[index] ?? '';
      if (!part.startsWith(':')) return part === value;
      const decoded = decodePart(value);
      if (!decoded) return false;
      params[part.slice(1)] = decoded;
      return true;
    });
    if (fits) return { route, params };
  }
  return undefined;
}

/** A part of a path without its percent-encoding; `undefined` when that is invalid. */
export function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
