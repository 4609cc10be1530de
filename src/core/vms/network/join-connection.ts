import type { Duplex } from 'node:stream';
import type { LocalConnection } from '../../ports/loopback.ts';

/**
 * `ms` that a client gets to end its output after the guest has ended the connection. Closing at once would
 * break it when the client still sends, and could cost it the last bytes.
 */
const LINGER_MS = 2_000;

/**
 * Passes bytes between a connection and a stream of a guest's port, at the speed of the slower side. The end
 * of the client's output becomes that of the port's input. A side that breaks breaks the other. Settles when
 * both have ended; never rejects.
 */
export async function joinConnection(connection: LocalConnection, stream: Duplex): Promise<void> {
  const { stream: client } = connection;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  let linger: NodeJS.Timeout | undefined;
  client.once('close', () => {
    clearTimeout(linger);
    stream.destroy();
    resolve();
  });
  stream.once('close', () => {
    if (!stream.readableEnded) connection.reset();
  });
  // The guest's output has been passed on completely.
  client.once('finish', () => {
    if (client.readableEnded) {
      client.destroy();
      return;
    }
    client.unpipe(stream);
    client.once('end', () => client.destroy());
    client.resume();
    linger = setTimeout(() => client.destroy(), LINGER_MS).unref();
  });
  client.on('error', () => {});
  stream.on('error', () => {});
  if (client.destroyed) {
    stream.destroy();
    return;
  }
  client.pipe(stream);
  stream.pipe(client);
  await over;
}
