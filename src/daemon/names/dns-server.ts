import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import type { Logger } from '../../base/log.ts';
import type { DnsPlace } from '../../config/dns-place.ts';
import type { Zone } from './answer-query.ts';
import { type Answering, answersOverTcp } from './dns-tcp.ts';

/** A server that listens. Disposing closes it and all of its connections. */
export interface DnsServer extends AsyncDisposable {
  /** the port is the chosen one when 0 was asked for */
  readonly place: DnsPlace;
}

/** Most TCP connections at a time; resolvers use TCP only after a truncated answer, and we send none. */
const MAX_CONNECTIONS = 32;

/**
 * Answers DNS queries about `zone` over UDP and TCP.
 *
 * @throws a system error (EADDRINUSE, EACCES, EADDRNOTAVAIL) when either cannot listen; then neither does.
 */
export async function startDnsServer(
  zone: Zone,
  place: DnsPlace,
  { log }: { log: Logger },
): Promise<DnsServer> {
  const onBug = (error: unknown): void =>
    log.error('a DNS query could not be answered: this is a bug', { error });
  const tcp = createServer({ noDelay: true });
  tcp.maxConnections = MAX_CONNECTIONS;
  const connections = answersOverTcp(tcp, { zone, onBug });
  await listenTcp(tcp, place);
  const bound = tcp.address();
  const port = typeof bound === 'object' && bound ? bound.port : place.port;
  const udp = createSocket('udp4');
  try {
    await listenUdp(udp, { ...place, port });
  } catch (error) {
    tcp.close();
    udp.close();
    throw error;
  }
  answersOverUdp(udp, { zone, onBug });
  return {
    place: { ...place, port },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy();
      await Promise.all([
        new Promise<void>((done) => tcp.close(() => done())),
        new Promise<void>((done) => udp.close(done)),
      ]);
    },
  };
}

function answersOverUdp(udp: UdpSocket, { zone, onBug }: Answering): void {
  udp.on('message', (query, { address, port }) => {
    void (async () => {
      const { answerQuery } = await import('./answer-query.ts');
      const answer = answerQuery(query, zone);
      // A client that is gone does not need its answer, and the socket may have been closed meanwhile.
      if (answer && port > 0) udp.send(answer, port, address, () => {});
    })().catch(onBug);
  });
  // Errors of single datagrams, such as that a client's port is closed.
  udp.on('error', () => {});
}

function listenTcp(server: Server, { address, port }: DnsPlace): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.removeListener('error', reject);
      // A failed accept: the process has too many open files.
      server.on('error', () => {});
      resolve();
    });
  });
}

function listenUdp(socket: UdpSocket, { address, port }: DnsPlace): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeListener('error', reject);
      resolve();
    });
  });
}
