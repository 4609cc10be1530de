import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Abortable } from '../../base/abort.ts';
import type { Report } from '../../protocol/events.ts';
import type { App } from '../app.ts';
import type { RunningOperation } from '../operations.ts';

/** What a handler gets. */
export interface RouteRequest<Body> extends Abortable {
  app: App;
  /** the `:name` parts of the path, decoded */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  body: Body;
}

interface RouteBase<Body> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** below `/v1`, with `:name` for parts that vary */
  path: string;
  summary: string;
  body?: z.ZodType<Body, unknown>;
  /** `false`: a request of it only looks at its VM; as every plain answer to GET does */
  isUse?: false;
  /** `true`: it also serves a VM that the daemon has not taken over yet; others wait for that */
  isEarly?: true;
}

/** Answers with one JSON value. */
export interface JsonRoute<Body> extends RouteBase<Body> {
  kind: 'json';
  answer: z.ZodType;
  run: (request: RouteRequest<Body>) => unknown;
}

/**
 * Long work: an operation that answers with JSON lines; the client's hang-up aborts `signal`, unless it is
 * detached.
 */
export interface WorkRoute<Body> extends RouteBase<Body> {
  kind: 'work';
  answer: z.ZodType;
  /** `false`: it does not look at `signal`, because half of it would be worse than all of it */
  isCancellable?: false;
  run: (request: RouteRequest<Body> & { report: Report }) => Promise<WorkResult>;
}

/** What work ends with. */
export interface WorkResult {
  value: unknown;
  /** keeps the stream open after the result; called once the client has gone */
  onClientGone?: (() => Promise<void>) | undefined;
}

/** Answers with text that is streamed. */
export interface TextRoute<Body> extends RouteBase<Body> {
  kind: 'text';
  run: (request: RouteRequest<Body>) => Promise<Readable>;
}

/** Answers with the events of an operation that another request began. */
export interface EventsRoute<Body> extends RouteBase<Body> {
  kind: 'events';
  run: (request: RouteRequest<Body>) => RunningOperation;
}

/**
 * Answers with bytes that are streamed; a failure in the middle is told in the trailer (`protocol/api.ts`).
 */
export interface BytesRoute<Body> extends RouteBase<Body> {
  kind: 'bytes';
  contentType: string;
  run: (request: RouteRequest<Body>) => Promise<Readable>;
}

/** Takes a body that is streamed, and answers with one JSON value. */
export interface UploadRoute<Body> extends RouteBase<Body> {
  kind: 'upload';
  contentType: string;
  answer: z.ZodType;
  run: (request: RouteRequest<Body> & { content: Readable }) => Promise<unknown>;
}

export type Route =
  | JsonRoute<never>
  | WorkRoute<never>
  | TextRoute<never>
  | EventsRoute<never>
  | BytesRoute<never>
  | UploadRoute<never>;

/** Keeps the type of a route's body between its schema and its handler. */
export function jsonRoute<Body>(route: Omit<JsonRoute<Body>, 'kind'>): Route {
  return { ...route, kind: 'json' } as unknown as JsonRoute<never>;
}

/** As {@link jsonRoute}, for long work. */
export function workRoute<Body>(route: Omit<WorkRoute<Body>, 'kind'>): Route {
  return { ...route, kind: 'work' } as unknown as WorkRoute<never>;
}

/** As {@link jsonRoute}, for text. */
export function textRoute(route: Omit<TextRoute<never>, 'kind'>): Route {
  return { ...route, kind: 'text' };
}

/** As {@link jsonRoute}, for bytes. */
export function bytesRoute(route: Omit<BytesRoute<never>, 'kind'>): Route {
  return { ...route, kind: 'bytes' };
}

/** As {@link jsonRoute}, for a body that is streamed. */
export function uploadRoute(route: Omit<UploadRoute<never>, 'kind'>): Route {
  return { ...route, kind: 'upload' };
}

/** As {@link jsonRoute}, for the events of an operation. */
export function eventsRoute(route: Omit<EventsRoute<never>, 'kind'>): Route {
  return { ...route, kind: 'events' };
}

/** True when a request of this route means that somebody uses the VM it names. */
export function isUse(route: Route): boolean {
  return route.isUse ?? !(route.kind === 'json' && route.method === 'GET');
}

/**
 * What kind of operation a route's work is, from its path: `POST /vms/:ref/start` is `vm.start`, `POST /vms`
 * is `vm.create`, `DELETE /vms/:ref` is `vm.delete`.
 */
export function operationKind({ method, path }: Pick<Route, 'method' | 'path'>): string {
  const [noun = '', ...verbs] = path.split('/').filter((part) => part !== '' && !part.startsWith(':'));
  const implied = method === 'DELETE' ? 'delete' : 'create';
  return [noun.replace(/s$/, ''), ...(verbs.length > 0 ? verbs : [implied])].join('.');
}

/**
 * The route of a request and the parts of its path that vary.
 */
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

/** A part of a path without its percent-encoding; `undefined` when that is not valid. */
export function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
