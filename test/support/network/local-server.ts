import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A TCP server of this host that sends back what it receives. */
export interface EchoServer extends AsyncDisposable {
  port: number;
  /** connections that are open */
  readonly connections: ReadonlySet<Socket>;
  /** Stops listening and ends all connections. Idempotent. */
  close(): void;
}

/** Starts an echo server on a free port of 127.0.0.1, which is a port of lab guests too. */
export async function startEcho(): Promise<EchoServer> {
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('error', () => {}).on('close', () => connections.delete(socket));
    socket.pipe(socket);
    // A pipe whose target has finished stops its source, which would then never see its end.
    socket.on('finish', () => socket.resume());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    for (const socket of connections) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    close,
    [Symbol.asyncDispose]: async () => close(),
  };
}

/** A TCP server that says its piece, ends its output at once, and then listens. */
export interface Talker extends AsyncDisposable {
  port: number;
  readonly connections: ReadonlySet<Socket>;
  /** all that clients have sent, one for each whole connection */
  readonly heard: readonly string[];
}

/** Starts a {@link Talker} on a free port of 127.0.0.1, which says "that is all". */
export async function startTalker(): Promise<Talker> {
  const connections = new Set<Socket>();
  const heard: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('error', () => {}).on('close', () => connections.delete(socket));
    socket.end('that is all');
    buffer(socket).then(
      (bytes) => void heard.push(bytes.toString()),
      () => {},
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    heard,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of connections) socket.destroy();
    },
  };
}

/**
 * Connects to a {@link Talker}, and sends `text` after the server has ended its output. `undefined` when the
 * connection is refused or breaks.
 */
export async function talkTo(
  host: string,
  port: number,
  text: string,
): Promise<{ answer: string } | undefined> {
  const socket = connect({ host, port, allowHalfOpen: true });
  const failed = new Promise<undefined>((resolve) => socket.once('error', () => resolve(undefined)));
  const answered = buffer(socket).catch(() => undefined);
  const answer = await Promise.race([answered, failed]);
  if (answer === undefined) return undefined;
  const closed = once(socket, 'close').then(
    () => ({ answer: answer.toString() }),
    () => undefined,
  );
  socket.end(text);
  return await Promise.race([closed, failed]);
}

/**
 * Connects, sends `text`, ends the output and returns what comes back; `undefined` when the connection is
 * refused or breaks.
 */
export async function askPort(host: string, port: number, text: string): Promise<string | undefined> {
  const socket = connect({ host, port, allowHalfOpen: true });
  const failed = new Promise<undefined>((resolve) => socket.once('error', () => resolve(undefined)));
  socket.end(text);
  const answer = buffer(socket).then(
    (bytes) => bytes.toString(),
    () => undefined,
  );
  return await Promise.race([answer, failed]);
}

/** A port of 127.0.0.1 on which nothing listens now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
