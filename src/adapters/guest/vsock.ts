import type { Socket } from 'node:net';
import { type Abortable, onAbort } from '../../base/abort.ts';

/** Longest answer: `OK`, a space, a port of ten digits, a line feed. */
const LONGEST_ANSWER_BYTES = 14;

/**
 * Asks the VMM behind a fresh socket for a connection to a port of its guest's vsock. Returns true once the
 * socket is that connection, and holds what the guest has sent. Returns false when the VMM hangs
 * up, as it does while nobody listens in the guest, or gives another answer; the caller closes the socket
 * then.
 *
 * @throws the abort reason.
 */
export async function connectVsock(
  socket: Socket,
  { port, signal }: Abortable & { port: number },
): Promise<boolean> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  let answer = '';
  const isWhole = (): boolean => answer.endsWith('\n') || answer.length >= LONGEST_ANSWER_BYTES;
  const read = (): void => {
    // Byte by byte, because what follows the line belongs to the guest.
    while (!isWhole()) {
      const byte: Buffer | null = socket.read(1);
      if (byte === null) return;
      answer += byte.toString('latin1');
    }
    resolve(/^OK [0-9]+\n$/.test(answer));
  };
  const end = (): void => resolve(false);
  using _abort = onAbort(signal, () => reject(signal.reason));
  socket.on('readable', read).on('end', end).on('error', end).on('close', end);
  try {
    socket.write(`CONNECT ${port}\n`);
    return await promise;
  } finally {
    socket.off('readable', read).off('end', end).off('error', end).off('close', end);
  }
}
