import type { Server, Socket } from 'node:net';
import type { Zone } from './answer-query.ts';
import { MAX_QUERY_BYTES } from './query-limits.ts';

/** `ms` that a client has for each query, and `ms` after which every connection is closed. */
const QUERY_MS = 5_000;
const CONNECTION_MS = 30_000;

/** What answers queries. */
export interface Answering {
  zone: Zone;
  /** called with what went wrong when no answer could be made */
  onBug: (error: unknown) => void;
}

/** `bytes` of the length before each message (RFC 1035 section 4.2.2). */
const LENGTH_BYTES = 2;

/**
 * Answers the queries on every connection of `server`, one after the other. Closes a connection that sends a
 * malformed or long query, does not read its answers, or takes too long. Returns the open connections.
 */
export function answersOverTcp(server: Server, { zone, onBug }: Answering): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    const overall = setTimeout(() => socket.destroy(), CONNECTION_MS).unref();
    socket.setTimeout(QUERY_MS, () => socket.destroy());
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(overall);
      open.delete(socket);
    });
    void answerAll(socket, zone)
      .catch(onBug)
      .finally(() => socket.destroySoon());
  });
  return open;
}

async function answerAll(socket: Socket, zone: Zone): Promise<void> {
  const { answerQuery } = await import('./answer-query.ts');
  let waiting = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      waiting = Buffer.concat([waiting, chunk as Buffer]);
      for (let next = firstMessage(waiting); next; next = firstMessage(waiting)) {
        waiting = waiting.subarray(LENGTH_BYTES + next.length);
        const answer = next.length > MAX_QUERY_BYTES ? undefined : answerQuery(next, zone);
        // Whether it reads its answers shows in the bytes that wait for it.
        if (!answer || socket.writableNeedDrain) return;
        socket.write(withLength(answer));
      }
      // Nothing more is read of a message that is too long, such as the first one of TLS.
      if (waiting.length >= LENGTH_BYTES && waiting.readUInt16BE(0) > MAX_QUERY_BYTES) return;
    }
  } catch (error) {
    // The client is gone, or its time is up.
    if (!socket.destroyed) throw error;
  }
}

function firstMessage(bytes: Buffer): Buffer | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const end = LENGTH_BYTES + bytes.readUInt16BE(0);
  return bytes.length < end ? undefined : bytes.subarray(LENGTH_BYTES, end);
}

function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
