import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { breakSocket } from '../../base/break-socket.ts';
import { AppError, isErrno, messageOf } from '../../base/errors.ts';
import type { LocalConnection, PortListeners } from '../../core/ports/loopback.ts';

/** The lowest port for programs without privileges, and that of older kernels, which have no such file. */
const FIRST_PORT_FILE = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
const USUAL_FIRST_PORT = 1024;

/** CAP_NET_BIND_SERVICE of capabilities(7): its bit among the effective capabilities. */
const MAY_BIND = 1n << 10n;

/**
 * A program that has ended one direction and then exits sends nothing more. Asking whether its socket still
 * exists tells that apart from a program that still reads.
 */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 } as const;

/** Listens on ports of this host. */
export function tcpListeners(): PortListeners {
  return { firstPort: firstPort(), listen };
}

/** The lowest port that this program may listen on. */
function firstPort(): number {
  if (hasPrivilege()) return 1;
  try {
    return Number(readFileSync(FIRST_PORT_FILE, 'utf8').trim()) || 1;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES')) throw error;
    return USUAL_FIRST_PORT;
  }
}

function hasPrivilege(): boolean {
  const [, effective = '0'] =
    /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return (BigInt(`0x${effective}`) & MAY_BIND) !== 0n;
}

async function listen(
  { address, port }: { address: string; port: number },
  onConnection: (connection: LocalConnection) => void,
): Promise<Disposable> {
  const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, ...KEEP_ALIVE };
  const server = createServer(options, (socket) => {
    const connection = connectionOf(socket);
    if (connection) onConnection(connection);
    else socket.destroy();
  });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host: address, port, exclusive: true }, resolve);
  try {
    await listening;
  } catch (error) {
    throw unavailable({ address, port }, error);
  }
  // An error of accept(2), such as one for want of descriptors, concerns one connection only.
  server.on('error', () => {});
  return { [Symbol.dispose]: () => void server.close() };
}

/** `undefined` when the connection has already broken. */
export function connectionOf(socket: Socket): LocalConnection | undefined {
  socket.on('error', () => {});
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return {
    stream: socket,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    reset: () => breakSocket(socket),
  };
}

function unavailable({ address, port }: { address: string; port: number }, error: unknown): AppError {
  return new AppError('PORT_UNAVAILABLE', `Cannot listen on ${address}:${port}: ${reasonOf(error)}`, {
    details: { address, port },
    cause: error,
  });
}

function reasonOf(error: unknown): string {
  if (isErrno(error, 'EADDRINUSE')) return 'another program of this host listens there';
  if (isErrno(error, 'EACCES')) return 'this user may not use so low a port';
  if (isErrno(error, 'EMFILE', 'ENFILE')) return 'too many files are open';
  return messageOf(error);
}
