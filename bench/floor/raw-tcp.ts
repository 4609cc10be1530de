import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Abortable, poll } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import { execStream } from '../../src/base/process/exec.ts';

/** A server that sends back what it receives. */
export interface Echo extends AsyncDisposable {
  port: number;
}

/** An echo server of this host on 127.0.0.1, in this process. */
export async function rawEcho(): Promise<Echo> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** `socat` in front of an echo server; `undefined` when it is not installed. */
export async function socatTo(port: number, { signal }: Abortable): Promise<Echo | undefined> {
  const free = await rawEcho();
  await free[Symbol.asyncDispose]();
  const stop = new AbortController();
  const listen = `TCP4-LISTEN:${free.port},bind=127.0.0.1,fork,reuseaddr,nodelay`;
  const { done } = execStream(['socat', listen, `TCP4:127.0.0.1:${port},nodelay`], { signal: stop.signal });
  let failure: unknown;
  done.catch((error: unknown) => {
    failure = error;
  });
  const attempt = async (): Promise<'ready' | 'missing' | undefined> => {
    if (failure) return isAppError(failure, 'EXEC_NOT_FOUND') ? 'missing' : Promise.reject(failure);
    const socket = await openTcp('127.0.0.1', free.port).catch(() => undefined);
    socket?.destroy();
    return socket && 'ready';
  };
  const found = await poll(attempt, { everyMs: 20, deadlineMs: 10_000, what: 'socat to listen', signal });
  if (found === 'missing') return undefined;
  return { port: free.port, [Symbol.asyncDispose]: async () => stop.abort() };
}

/** Opens a connection. */
export async function openTcp(host: string, port: number): Promise<Duplex> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return socket;
}
