import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../base/log.ts';
import type { GatewayGuests } from './guests.ts';
import { serveGateway } from './serve-gateway.ts';

/** Most connections at a time; the others wait in the kernel's queue or are closed. */
const MAX_CONNECTIONS = 1_024;

/** Longest head of a request, in `bytes`, and most headers in it. */
const MAX_HEAD_BYTES = 32_768;
const MAX_HEADERS = 256;

/** `ms` that a client has for the head of a request, and that an idle connection stays open. */
const HEAD_MS = 15_000;
const IDLE_MS = 30_000;
const CHECK_EVERY_MS = 2_000;

/** Makes a server with the limits of the gateway. It serves nothing before {@link serveConnections}. */
export function gatewayServer({ headMs = HEAD_MS }: { headMs?: number | undefined } = {}): Server {
  const server = createServer({
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: headMs,
    // An upload may take any time, and so may an answer.
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, headMs),
  });
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

/** What {@link serveConnections} needs. */
export interface GatewayService {
  guests: GatewayGuests;
  /** the port that the gateway listens on, for links */
  gatewayPort: number;
  log: Logger;
  /** whether the program at the other end belongs to a user who may connect */
  isAllowed: (socket: Socket) => Promise<boolean>;
}

/** Serves the connections of a server. Disposing ends all of them, and waits until they have ended. */
export function serveConnections(server: Server, service: GatewayService): AsyncDisposable {
  const { log, isAllowed } = service;
  const allowed = new WeakMap<Duplex, Promise<boolean>>();
  const sockets = new Set<Socket>();
  const running = new Set<Promise<void>>();
  const track = (work: Promise<void>): void => {
    const task = work.finally(() => running.delete(task));
    running.add(task);
  };
  /** Nothing is served before the user at the other end is known. */
  const serveAllowed = async (socket: Duplex, serve: () => Promise<void>): Promise<void> => {
    if (await allowed.get(socket)) await serve();
    else socket.destroy();
  };
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const check = isAllowed(socket).catch((error: unknown) => {
      if (!socket.destroyed) log.warn('the user of a connection to the gateway is not known', { error });
      return false;
    });
    allowed.set(socket, check);
    void check.then((isOwn) => (isOwn ? undefined : socket.destroy()));
  });
  server.on('request', (request, response) =>
    track(serveAllowed(request.socket, () => serveGateway(service, { request, response }))),
  );
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {});
    track(serveAllowed(socket, () => serveGateway(service, { request, socket, head })));
  });
  // Without a listener, the default answer to malformed requests would tell nothing more.
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
    else socket.destroy();
  });
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await Promise.all(running);
    },
  };
}
