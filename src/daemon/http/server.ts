import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { AppError, unreachable } from '../../base/errors.ts';
import { API_PREFIX, VERSION_HEADER } from '../../protocol/api.ts';
import { buildLabel } from '../../protocol/build-info.ts';
import type { App } from '../app.ts';
import { serveExec } from './exec-upgrade.ts';
import { readBody } from './read-body.ts';
import { logFailure, sendError, sendJson } from './respond.ts';
import { matchRoute, type Route, type RouteRequest } from './route.ts';
import { streamWork } from './work-stream.ts';

/** Sessions that run, and how they are ended. */
export interface ApiServer {
  http: Server;
  /** Aborts everything that runs; settles when it has ended. */
  abortAll(reason: AppError): Promise<void>;
  /** Settles when nothing runs. */
  idle(): Promise<void>;
}

/** Makes the HTTP server of the API; the caller makes it listen. `onActivity` is called whenever a request begins or ends. */
export function createApiServer(app: App, routes: readonly Route[], onActivity: () => void): ApiServer {
  const running = new Map<Promise<void>, AbortController>();
  const track = (name: string, work: (signal: AbortSignal) => Promise<void>): void => {
    const controller = new AbortController();
    const task = work(controller.signal)
      .catch((error: unknown) => {
        if (!controller.signal.aborted) logFailure(app.log, name, error);
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
  const abortOn = (
    emitter: ServerResponse | NodeJS.EventEmitter,
    abort: (reason: AppError) => void,
  ): void => {
    emitter.once('close', () => abort(new AppError('CLIENT_GONE', 'The client hung up')));
  };

  const http = createServer({ keepAliveTimeout: 5_000, requestTimeout: 60_000 });
  http.on('request', (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader(VERSION_HEADER, buildLabel(app.build));
    // A client that goes away shows in 'close'.
    response.on('error', () => {});
    track(`${request.method} ${request.url}`, async (signal) => {
      const client = new AbortController();
      abortOn(response, (reason) => client.abort(reason));
      await serve(app, { request, response, routes, signal: AbortSignal.any([signal, client.signal]) });
    });
  });
  http.on('upgrade', (request: IncomingMessage, socket, head) => {
    track(`UPGRADE ${request.url}`, async (signal) => {
      const client = new AbortController();
      abortOn(socket, (reason) => client.abort(reason));
      const both = AbortSignal.any([signal, client.signal]);
      both.addEventListener('abort', () => socket.destroy(), { once: true });
      await serveExec(app, { request, socket, head, signal: both });
    });
  });
  return {
    http,
    async abortAll(reason) {
      for (const controller of running.values()) controller.abort(reason);
      await Promise.allSettled(running.keys());
    },
    async idle() {
      while (running.size > 0) await Promise.race(running.keys());
    },
  };
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  routes: readonly Route[];
  signal: AbortSignal;
}

async function serve(app: App, { request, response, routes, signal }: Exchange): Promise<void> {
  // A held stream ends with its client; when we end it, the client is told by the same means.
  signal.addEventListener('abort', () => response.destroy(), { once: true });
  const url = new URL(request.url ?? '/', 'http://banger');
  const path = url.pathname.startsWith(`${API_PREFIX}/`) ? url.pathname.slice(API_PREFIX.length) : '';
  try {
    const match = matchRoute(routes, request.method, path);
    if (!match) {
      throw new AppError(
        'ROUTE_NOT_FOUND',
        `Cannot serve ${request.method} ${url.pathname}: there is no such route`,
        {
          hint: `GET ${API_PREFIX}/openapi.json lists them`,
        },
      );
    }
    const { route, params } = match;
    const body = (await readBody(request, route.body)) as never;
    await run(route, { request: { app, params, query: url.searchParams, body, signal }, response });
  } catch (error) {
    sendError(response, error);
    throw error;
  }
}

async function run(
  route: Route,
  { request, response }: { request: RouteRequest<never>; response: ServerResponse },
): Promise<void> {
  switch (route.kind) {
    case 'json':
      return sendJson(response, 200, await route.run(request));
    case 'work':
      return await streamWork(response, (report) => route.run({ ...request, report }));
    case 'text': {
      const text = await route.run(request);
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      return await pipeline(text, response, { signal: request.signal });
    }
    default:
      return unreachable(route, 'route');
  }
}
