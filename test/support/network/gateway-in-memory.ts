import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createLogger } from '../../../src/base/log.ts';
import { gatewayServer, serveConnections } from '../../../src/daemon/gateway/gateway-server.ts';
import type { GatewayGuests } from '../../../src/daemon/gateway/guests.ts';
import { connectedPair } from './connected-pair.ts';

/**
 * Turns of the event loop in which the gateway passes a request to the guest and the answer to the client. No
 * part of it waits for anything else.
 */
const TURNS = 24;

/** The web gateway and a VM `web`, connected in memory: everything but the sockets of the kernel. */
export interface GatewayInMemory extends AsyncDisposable {
  /** Sends `parts` in separate turns, then the end, and returns what the gateway answers, as Latin-1. */
  ask(parts: readonly Buffer[]): Promise<string>;
  /** streams to the guest that are open */
  readonly openCount: number;
  /** lines of the log: the gateway reports bugs there */
  readonly logged: readonly string[];
}

/** Opens a gateway; `serveGuest` is the server in the guest, and is called with each connection. */
export async function openGatewayInMemory(serveGuest: (stream: Duplex) => void): Promise<GatewayInMemory> {
  // The gateway loads these with the first request, which takes longer than a few turns.
  await Promise.all([
    import('../../../src/daemon/gateway/proxy.ts'),
    import('../../../src/daemon/gateway/pages.ts'),
  ]);
  let openCount = 0;
  const logged: string[] = [];
  const guests: GatewayGuests = {
    find: (name) => (name === 'web' ? { id: name, name, state: 'running' } : undefined),
    list: async () => [],
    wake: async () => {},
    webPort: async () => 80,
    forgetWebPort: () => {},
    open: async (_vm, _port, { signal }) => {
      const [ours, theirs] = connectedPair();
      openCount += 1;
      ours.once('close', () => {
        openCount -= 1;
      });
      for (const stream of [ours, theirs]) stream.on('error', () => {});
      signal.addEventListener('abort', () => ours.destroy(), { once: true });
      serveGuest(theirs);
      return ours;
    },
    use: () => ({ [Symbol.dispose]: () => {} }),
  };
  const server = gatewayServer();
  const log = createLogger((line) => logged.push(line), { level: 'warn' });
  const serving = serveConnections(server, { guests, gatewayPort: 7_480, log, isAllowed: async () => true });
  return {
    get openCount() {
      return openCount;
    },
    logged,
    async ask(parts) {
      const [client, gateway] = connectedPair();
      const answer: Buffer[] = [];
      let isOver = false;
      client.on('data', (chunk: Buffer) => answer.push(chunk));
      client.on('error', () => {});
      const ended = new Promise<void>((done) => client.once('end', done).once('close', done));
      void ended.then(() => {
        isOver = true;
      });
      server.emit('connection', gateway);
      for (const part of parts) {
        client.write(part);
        await nextTurn();
      }
      // A client that ends its side is taken for one that has left.
      for (let turn = 0; turn < TURNS && !isOver; turn += 1) await nextTurn();
      client.end();
      await ended;
      client.destroy();
      return Buffer.concat(answer).toString('latin1');
    },
    [Symbol.asyncDispose]: () => serving[Symbol.asyncDispose](),
  };
}
