import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type GatewayService, gatewayServer, serveConnections } from './gateway-server.ts';

/** The only address of the gateway; names below `localhost` mean it. */
export const GATEWAY_ADDRESS = '127.0.0.1';

/** What {@link startGateway} needs. */
export interface GatewayOptions extends Omit<GatewayService, 'gatewayPort'> {
  port: number;
  /** `ms` that a client has for the head of a request; default: 15 s */
  headMs?: number;
}

/** A gateway that listens. Disposing ends all of its connections, and waits until they have ended. */
export interface Gateway extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves the web servers in guests at `NAME.localhost` and `PORT.NAME.localhost`.
 *
 * @throws a system error (EADDRINUSE, EACCES) when it cannot listen.
 */
export async function startGateway({ port, headMs, ...service }: GatewayOptions): Promise<Gateway> {
  const server = gatewayServer({ headMs });
  const gatewayPort = await listen(server, port);
  const serving = serveConnections(server, { ...service, gatewayPort });
  return { port: gatewayPort, [Symbol.asyncDispose]: () => serving[Symbol.asyncDispose]() };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: GATEWAY_ADDRESS, port, exclusive: true }, () => {
      server.removeListener('error', reject);
      // A failed accept: the process has too many open files.
      server.on('error', () => {});
      resolve((server.address() as AddressInfo).port);
    });
  });
}
