import type { Duplex } from 'node:stream';
import type { LocalConnection } from '../../ports/loopback.ts';

/**
 * `ms` that a client gets to end its output after the guest has closed the connection. Closing at once would
 * break it when the client still sends, and could cost it the last bytes.
 */
const LINGER_MS = 2_000;

/** `ms` that a guest gets to take the last bytes of a client that has ended both directions. */
const LAST_BYTES_MS = 30_000;

/**
 * Passes bytes between a connection and a stream of a guest's port, at the speed of the slower side. The end
 * of each side's output becomes that of the other's input, and the other direction continues. A side that
 * breaks breaks the other. Settles when both have closed; never rejects.
 */
export async function joinConnection(connection: LocalConnection, stream: Duplex): Promise<void> {
  const { stream: client } = connection;
  client.on('error', () => {});
  stream.on('error', () => {});
  if (client.destroyed || stream.destroyed) {
    stream.destroy();
    connection.reset();
    return;
  }
  const closed = [client, stream].map((side) => new Promise((done) => side.once('close', done)));
  client.pipe(stream);
  stream.pipe(client);
  // After those of the pipes, which stop the client's output when the stream closes.
  client.once('close', () => closeAfter(client, stream));
  stream.once('close', () => {
    if (!stream.readableEnded || stream.errored) connection.reset();
    else if (client.writableFinished) lingerOver(client);
    else client.once('finish', () => lingerOver(client));
  });
  await Promise.all(closed);
}

/** Whether both directions of a client's connection have ended, so that nothing was cut off. */
export function hasEndedWhole(client: Duplex): boolean {
  return client.readableEnded && client.writableFinished && !client.errored;
}

/**
 * Closes the stream of a guest's port whose client has closed: at once, or when the guest has taken what a
 * client has sent that ended both directions.
 */
export function closeAfter(client: Duplex, stream: Duplex): void {
  if (!hasEndedWhole(client) || stream.destroyed) {
    stream.destroy();
    return;
  }
  const limit = setTimeout(() => stream.destroy(), LAST_BYTES_MS).unref();
  stream.once('close', () => clearTimeout(limit));
}

/** Discards what a client still sends to a guest that has closed the connection, and then closes it. */
function lingerOver(client: Duplex): void {
  if (client.readableEnded) {
    client.destroy();
    return;
  }
  const limit = setTimeout(() => client.destroy(), LINGER_MS).unref();
  client.once('close', () => clearTimeout(limit));
  client.once('end', () => client.destroy());
  client.resume();
}
