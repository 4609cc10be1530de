import type { Socket } from 'node:net';
import { type Abortable, onAbort } from '../base/abort.ts';
import { connectUnix } from '../base/unix-socket.ts';
import { API_PREFIX } from '../protocol/api.ts';

/** Longest head of an answer, in `bytes`. */
const MAX_HEAD_BYTES = 16 * 1024;

const HEAD_END = '\r\n\r\n';

/**
 * Asks the daemon for another protocol without Node's HTTP client, which takes longer to load than all else
 * that `vm proxy` does. Returns `undefined` for any answer but the switch; the caller then asks again with
 * `callForUpgrade`, which knows every error.
 *
 * @throws the abort reason
 */
export async function plainUpgrade({
  socketPath,
  path,
  upgrade,
  signal,
}: Abortable & { socketPath: string; path: string; upgrade: string }): Promise<Socket | undefined> {
  signal.throwIfAborted();
  const socket = connectUnix(socketPath);
  const listener = onAbort(signal, () => socket.destroy());
  // The stream outlives this call: an abort ends it too, and its end removes the listener.
  socket.once('close', () => listener[Symbol.dispose]());
  socket.on('error', () => {});
  const headers = ['host: banger', 'connection: Upgrade', `upgrade: ${upgrade}`, 'content-length: 0'];
  socket.write([`POST ${API_PREFIX}${path} HTTP/1.1`, ...headers].join('\r\n') + HEAD_END);
  const head = await readHead(socket);
  signal.throwIfAborted();
  if (head === undefined || !/^HTTP\/1\.1 101 /.test(head)) {
    socket.destroy();
    return undefined;
  }
  return socket;
}

/** Reads the head of an answer and leaves what follows it unread; `undefined` when there is none. */
async function readHead(socket: Socket): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let got = Buffer.alloc(0);
  const take = (chunk: Buffer): void => {
    got = Buffer.concat([got, chunk]);
    const end = got.indexOf(HEAD_END);
    if (end < 0 && got.length < MAX_HEAD_BYTES) return;
    socket.off('data', take).pause();
    if (end >= 0 && got.length > end + HEAD_END.length) socket.unshift(got.subarray(end + HEAD_END.length));
    resolve(end < 0 ? undefined : got.toString('latin1', 0, end));
  };
  const stop = (): void => resolve(undefined);
  socket.on('data', take).once('end', stop).once('close', stop);
  try {
    return await promise;
  } finally {
    socket.off('end', stop).off('close', stop);
  }
}
