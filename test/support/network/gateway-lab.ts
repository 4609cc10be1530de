import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { AppError } from '../../../src/base/errors.ts';
import { startGateway } from '../../../src/daemon/gateway/gateway.ts';
import type { GatewayGuests, GatewayVm } from '../../../src/daemon/gateway/guests.ts';
import { nullLog } from '../null-log.ts';
import { until } from '../until.ts';

/** A gateway whose guests are servers of this host. */
export interface GatewayLab extends AsyncDisposable {
  readonly port: number;
  /** port of the web server in the VMs */
  readonly serverPort: number;
  vms: GatewayVm[];
  /** the programs that connect are of the daemon's user */
  isOwnUser: boolean;
  /** runs when a request wakes a VM; its signal aborts when the client leaves */
  wake: (signal: AbortSignal) => Promise<void>;
  /** names of the VMs that were woken */
  wakes: string[];
  /** what the web server was asked */
  asked: Asked[];
  /** connections of the web server that switched to WebSocket */
  readonly upgraded: Set<Duplex>;
  /** number of uses of VMs under way */
  readonly useCount: number;
  ask(path: string, options?: AskOptions): Promise<Got>;
  /** Sends bytes, and returns the connection. */
  raw(bytes: string | Buffer): Promise<Socket>;
  /** Waits until no stream to a guest is open, and none is in use. */
  settled(): Promise<void>;
  /** Makes everything as it was at the start. */
  reset(): void;
}

/** What the server in a guest was asked. */
export interface Asked {
  url: string | undefined;
  headers: IncomingHttpHeaders;
}

/** A request to the gateway; by default GET to web.localhost. */
export interface AskOptions {
  host?: string;
  headers?: Record<string, string>;
  method?: string;
  body?: Buffer;
}

/** An answer of the gateway. */
export interface Got {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** `ms` that clients have for the head of a request. */
export const LAB_HEAD_MS = 1_000;

/** The port of a server that listens. */
export function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

/** The head of a request for a WebSocket. */
export function upgradeHead(path = '/ws', more = ''): string {
  return `GET ${path} HTTP/1.1\r\nhost: web.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n${more}\r\n`;
}

/** Starts a gateway and the web server of its VMs, `web` and `silent`. */
export async function openGatewayLab(): Promise<GatewayLab> {
  /** streams to the guest that are open */
  const streams = new Set<Duplex>();
  const upgraded = new Set<Duplex>();
  let useCount = 0;
  const server = createServer((incoming, response) => {
    lab.asked.push({ url: incoming.url, headers: incoming.headers });
    answer(incoming, response);
  });
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
    lab.asked.push({ url: incoming.url, headers: incoming.headers });
    socket.on('error', () => {});
    if (incoming.url === '/refuse') {
      socket.end('HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nready',
    );
    socket.pipe(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const serverPort = portOf(server);
  const guests: GatewayGuests = {
    find: (name) => lab.vms.find((vm) => vm.name === name),
    list: async () =>
      lab.vms.map(({ name, state }) => ({
        name,
        state,
        ports: [{ port: 80, process: '<b>', url: 'http://x/' }],
      })),
    wake: async ({ name }, { signal }) => {
      lab.wakes.push(name);
      await lab.wake(signal);
      signal.throwIfAborted();
    },
    webPort: async ({ name }) => (name === 'silent' ? undefined : serverPort),
    forgetWebPort: () => {},
    open: async (_vm, port, { signal }) => {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      try {
        await once(socket, 'connect');
      } catch (error) {
        throw new AppError('GUEST_PORT_CLOSED', `nothing listens on port ${port}`, { cause: error });
      }
      socket.on('error', () => {});
      streams.add(socket);
      socket.once('close', () => streams.delete(socket));
      signal.addEventListener('abort', () => socket.destroy(), { once: true });
      return socket;
    },
    use: () => {
      useCount += 1;
      return {
        [Symbol.dispose]: () => {
          useCount -= 1;
        },
      };
    },
  };
  const isAllowed = async (): Promise<boolean> => lab.isOwnUser;
  const gateway = await startGateway({ guests, port: 0, log: nullLog, headMs: LAB_HEAD_MS, isAllowed });
  const lab: GatewayLab = {
    port: gateway.port,
    serverPort,
    vms: [],
    isOwnUser: true,
    wake: async () => {},
    wakes: [],
    asked: [],
    upgraded,
    get useCount() {
      return useCount;
    },
    ask: (path, options = {}) => ask(gateway.port, path, options),
    async raw(bytes) {
      const socket = connect(gateway.port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(bytes);
      return socket;
    },
    settled: () => until(() => streams.size === 0 && useCount === 0 && upgraded.size === 0),
    reset() {
      lab.vms = ['web', 'silent'].map((name) => ({ id: name, name, state: 'running' }));
      lab.wakes = [];
      lab.wake = async () => {};
      lab.asked = [];
      lab.isOwnUser = true;
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
  lab.reset();
  return lab;
}

function answer(incoming: IncomingMessage, response: ServerResponse): void {
  if (incoming.url === '/hang') return;
  if (incoming.url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: one\n\n');
    return;
  }
  if (incoming.url === '/echo') {
    response.writeHead(200, { 'x-mine': 'yes', 'set-cookie': ['a=1', 'b=2'] });
    incoming.pipe(response);
    return;
  }
  response.end('hello');
}

function ask(
  port: number,
  path: string,
  { host = 'web.localhost', headers = {}, method = 'GET', body }: AskOptions,
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path, method, headers: { host, ...headers }, agent: false };
    const sent = request(options);
    sent.on('error', reject);
    sent.on('response', (response) => {
      const { statusCode = 0, headers: got } = response;
      text(response).then((content) => resolve({ status: statusCode, headers: got, body: content }), reject);
    });
    sent.end(body);
  });
}
