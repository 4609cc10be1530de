import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isAbort, isAppError, isErrno, printable, unreachable } from '../../base/errors.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import { findVm } from '../../core/vms/find-vm.ts';
import { hasEndedWhole } from '../../core/vms/network/join-connection.ts';
import type { WorkQuery } from '../../protocol/api/operation.ts';
import { API_PREFIX, VERSION_HEADER } from '../../protocol/api.ts';
import { buildLabel } from '../../protocol/build-info.ts';
import type { Report } from '../../protocol/events.ts';
import { decodeProxies, MAX_HEAD_BYTES, PROXY_HEADER } from '../../protocol/proxy-variables.ts';
import type { App } from '../app.ts';
import type { OperationStart } from '../operations.ts';
import { readBody, readQuery } from './read-request.ts';
import { logFailure, sendBytes, sendError, sendJson } from './respond.ts';
import {
  isUse,
  matchRoute,
  operationKind,
  queryOf,
  type Route,
  type RouteRequest,
  type WorkResult,
  type WorkRoute,
} from './route.ts';
import { serveUpgrade } from './upgrade.ts';
import { streamEvents, streamWork } from './work-stream.ts';

/** Running requests and sessions, and how to end them. */
export interface ApiServer {
  http: Server;
  /** Aborts everything that runs; settles when it has ended. */
  abortAll(reason: AppError): Promise<void>;
  /** Settles when nothing runs. */
  idle(): Promise<void>;
}

/**
 * `ms` that a request waits for a VM that is being adopted, and that a request which only looks at it waits.
 */
const USE_WAIT_MS = 20_000;
const LOOK_WAIT_MS = 2_000;

/** The VM that an upgrade names. */
const VM_PATH = new RegExp(`^${API_PREFIX}/vms/([^/?]+)/`);

/**
 * Creates the API's HTTP server; the caller makes it listen. Calls `onActivity` whenever a request begins or
 * ends.
 */
export function createApiServer(app: App, routes: readonly Route[], onActivity: () => void): ApiServer {
  const running = new Map<Promise<void>, AbortController>();
  const track = (
    name: string,
    client: NodeJS.EventEmitter,
    work: (signal: AbortSignal) => Promise<void>,
  ): void => {
    const controller = new AbortController();
    const { signal } = controller;
    client.once('close', () => {
      // The guest may still be taking the last bytes of a connection that its client has ended.
      if (client instanceof Duplex && hasEndedWhole(client)) return;
      controller.abort(new AppError('CLIENT_GONE', 'The client hung up'));
    });
    const task = work(signal)
      .catch((error: unknown) => {
        if (isCutShort(error, signal)) app.log.debug('a request was cut short', { request: name });
        else logFailure(app.log, name, error);
      })
      .finally(() => {
        running.delete(task);
        app.activity.activeCount = running.size;
        onActivity();
      });
    running.set(task, controller);
    app.activity.activeCount = running.size;
    onActivity();
  };

  // An upload may take any time; only its head has a limit.
  const http = createServer({
    keepAliveTimeout: 5_000,
    requestTimeout: 0,
    headersTimeout: 60_000,
    maxHeaderSize: MAX_HEAD_BYTES,
  });
  http.on('request', (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader(VERSION_HEADER, buildLabel(app.build));
    // A client that disconnects shows in 'close'.
    response.on('error', () => {});
    track(`${request.method} ${request.url}`, response, (signal) =>
      serve(app, { request, response, routes, signal }),
    );
  });
  http.on('upgrade', (request: IncomingMessage, socket, head) => {
    track(`UPGRADE ${request.url}`, socket, async (signal) => {
      signal.addEventListener('abort', () => socket.destroy(), { once: true });
      const ref = VM_PATH.exec(request.url ?? '')?.[1];
      using _use = useOf(app, ref);
      await serveUpgrade(app, {
        request,
        socket,
        head,
        signal,
        ready: () => takenOver(app, ref, { signal }),
      });
    });
  });
  return {
    http,
    async abortAll(reason) {
      for (const controller of running.values()) controller.abort(reason);
      // Including those whose client has disconnected.
      app.operations.abortAll(reason);
      await Promise.allSettled(running.keys());
    },
    async idle() {
      while (running.size > 0) await Promise.race(running.keys());
    },
  };
}

/** True for an error that only means that nobody waits for the answer any more. */
function isCutShort(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  return (
    error === signal.reason ||
    isAbort(error) ||
    isErrno(error, 'ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE')
  );
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  routes: readonly Route[];
  signal: AbortSignal;
}

async function serve(app: App, { request, response, routes, signal }: Exchange): Promise<void> {
  // A held stream ends with its client; when the daemon ends it, closing the connection tells the client.
  signal.addEventListener('abort', () => response.destroy(), { once: true });
  const [pathname = '', query = ''] = (request.url ?? '').split('?', 2);
  const path = pathname.startsWith(`${API_PREFIX}/`) ? pathname.slice(API_PREFIX.length) : '';
  try {
    const match = matchRoute(routes, request.method, path);
    if (!match) {
      throw new AppError(
        'ROUTE_NOT_FOUND',
        `Cannot serve ${request.method} ${printable(pathname)}: there is no such route`,
        {
          hint: `GET ${API_PREFIX}/openapi.json lists them`,
        },
      );
    }
    const { route, params } = match;
    using _use = isUse(route) ? useOf(app, params['ref']) : undefined;
    if (!route.isEarly && route.kind !== 'work') {
      const deadlineMs = isUse(route) ? USE_WAIT_MS : LOOK_WAIT_MS;
      await takenOver(app, params['ref'], { signal, deadlineMs });
    }
    // An upload is read by its route.
    const body = (route.kind === 'upload' ? {} : await readBody(request, route.body)) as never;
    await run(route, {
      request: {
        app: appFor(app, request),
        params,
        query: readQuery(query, queryOf(route)) as never,
        body,
        signal,
      },
      incoming: request,
      response,
    });
  } catch (error) {
    sendError(response, error);
    throw error;
  }
}

/** The app as a client in another environment than the daemon's sees it. */
function appFor(app: App, { headers }: IncomingMessage): App {
  const header = headers[PROXY_HEADER];
  if (typeof header !== 'string') return app;
  const hostUser = app.world.hostUser.behind(decodeProxies(header));
  return { ...app, world: { ...app.world, hostUser } };
}

async function run(
  route: Route,
  {
    request,
    incoming,
    response,
  }: { request: RouteRequest<never, never>; incoming: IncomingMessage; response: ServerResponse },
): Promise<void> {
  switch (route.kind) {
    case 'json':
      return sendJson(response, 200, await route.run(request));
    case 'work': {
      const operation = request.app.operations.begin(operationOf(route, request));
      const { signal, report } = operation;
      const { app, params } = request;
      const work = async (): Promise<WorkResult> => {
        if (!route.isEarly) await takenOver(app, params['ref'], { signal, report });
        return await route.run({ ...request, signal, report });
      };
      return await streamWork(response, { operation, work, signal: request.signal });
    }
    case 'events':
      return await streamEvents(response, route.run(request));
    case 'text': {
      const text = await route.run(request);
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      return await pipeline(text, response, { signal: request.signal });
    }
    case 'bytes':
      return await sendBytes(response, await route.run(request), {
        contentType: route.contentType,
        signal: request.signal,
      });
    case 'upload': {
      // Reads the rest of a refused body, so that its sender gets to read the answer.
      const content = Readable.from(incoming.iterator({ destroyOnReturn: false }), { objectMode: false });
      try {
        return sendJson(response, 200, await route.run({ ...request, content }));
      } finally {
        content.destroy();
        incoming.resume();
      }
    }
    default:
      return unreachable(route, 'route');
  }
}

function operationOf(
  route: WorkRoute<never, never>,
  { app, params, query }: RouteRequest<never, never>,
): OperationStart {
  const target = params['name'] ?? vmOf(app, params['ref'])?.name ?? params['ref'];
  return {
    kind: operationKind(route),
    ...(target === undefined ? {} : { target }),
    isDetached: (query as WorkQuery).detach === '1',
    isCancellable: route.isCancellable ?? true,
  };
}

function useOf(app: App, ref: string | undefined): Disposable | undefined {
  const vm = vmOf(app, ref);
  return vm && app.use.begin(vm.id);
}

/** Waits until the VM that a request names is adopted from an earlier daemon. @throws {AppError} VM_BUSY */
async function takenOver(
  app: App,
  ref: string | undefined,
  { deadlineMs = USE_WAIT_MS, ...options }: Abortable & { deadlineMs?: number; report?: Report },
): Promise<void> {
  const vm = app.takeOver.isUnderWay ? vmOf(app, ref) : undefined;
  if (vm) await app.takeOver.wait(vm, { deadlineMs, ...options });
}

/** The VM that a request names; `undefined` when there is none, which its work will report. */
function vmOf(app: App, ref: string | undefined): VmRecord | undefined {
  if (ref === undefined) return undefined;
  try {
    return findVm(app.world.records, ref);
  } catch (error) {
    if (isAppError(error)) return undefined;
    throw error;
  }
}
