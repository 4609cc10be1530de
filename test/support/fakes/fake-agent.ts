import { mkdtemp, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A socket on which the test plays a guest's agent. */
export interface FakeAgent extends AsyncDisposable {
  path: string;
  /** every connection so far */
  sockets: net.Socket[];
}

/** Listens on a new socket and calls `serve` with each connection, before anything is read from it. */
export async function listenAsAgent(serve: (socket: net.Socket) => void): Promise<FakeAgent> {
  const dir = await mkdtemp(join(tmpdir(), 'agent-'));
  const path = join(dir, 's');
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(dir, { recursive: true });
    },
  };
}

/** Calls `onHello` with each hello line, without its line feed, and its nonce. Returns what stops it. */
export function onHello(socket: net.Socket, listener: (line: string, nonce: string) => void): () => void {
  let text = '';
  const listen = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    for (const [line, nonce] of text.matchAll(/BANGER\/\d+ ([0-9a-f]{32})(?=\n)/g))
      listener(line, nonce ?? '');
    text = text.slice(text.lastIndexOf('\n') + 1);
  };
  socket.on('data', listen);
  return () => socket.off('data', listen);
}

/** Serves HTTP/2 requests after an honest hello, by default in the generation of the host. */
export async function listenAsHttp2Agent(
  handle: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  generation?: number,
): Promise<FakeAgent> {
  return await listenAsAgent((socket) => {
    const stop = onHello(socket, (line, nonce) => {
      const own = generation === undefined ? line : `BANGER/${generation} ${nonce}`;
      socket.write(`${own}\n`);
      if (own !== line) return;
      stop();
      socket.pause();
      const session = http2.performServerHandshake(socket);
      session.on('error', () => {});
      session.on('stream', (stream, headers) => {
        stream.on('error', () => {});
        handle(stream, headers);
      });
    });
  });
}
