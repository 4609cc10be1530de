import { pipeline } from 'node:stream/promises';
import { isErrno } from '../../base/errors.ts';
import type { CommandContext } from '../context.ts';

/** Joins our stdin and stdout with a port of a guest, until either side is done with it, or a signal says so: ssh ends its proxy with SIGHUP. */
export async function joinPort(
  { ref, port }: { ref: string; port: number },
  { io, interrupts, client: connect, signal }: CommandContext,
): Promise<void> {
  const client = await connect();
  const stream = await client.openPort(ref, port, { signal });
  const over = new AbortController();
  using _signals = interrupts.redirect(() => over.abort());
  // The end of our input is the port's; what goes wrong shows on the way back.
  const sending = pipeline(io.stdin, stream, { signal: over.signal }).catch(() => {});
  try {
    await pipeline(stream, io.stdout, { signal: over.signal, end: false });
  } catch (error) {
    // ssh has closed its end, or the guest has gone: ssh says so.
    const isOver = isErrno(error, 'EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE');
    if (!isOver && !over.signal.aborted) throw error;
  } finally {
    stream.destroy();
    io.stdin.destroy();
    await sending;
  }
}
