import { pipeline } from 'node:stream/promises';
import { isErrno } from '../../../base/errors.ts';
import type { CommandContext } from '../../context/context.ts';

/** How often an owner is looked for, in `ms`. */
const OWNER_LOOK_MS = 500;

/**
 * Joins our stdin and stdout with a port of a guest, until either side is done with it, a signal says so (ssh
 * ends its proxy with SIGHUP), or the process `ownerPid` is gone: an ssh whose `banger vm ssh` was killed
 * would go on for nobody.
 */
export async function joinPort(
  { ref, port, ownerPid }: { ref: string; port: number; ownerPid?: number },
  { io, interrupts, client: connect, signal }: CommandContext,
): Promise<void> {
  const client = await connect();
  const stream = await client.openPort(ref, port, { signal });
  const over = new AbortController();
  using _signals = interrupts.redirect(() => over.abort());
  const look =
    ownerPid === undefined
      ? undefined
      : setInterval(() => {
          if (!isThere(ownerPid)) over.abort();
        }, OWNER_LOOK_MS);
  // The end of our input is the port's; what goes wrong shows on the way back.
  const sending = pipeline(io.stdin, stream, { signal: over.signal }).catch(() => {});
  try {
    await pipeline(stream, io.stdout, { signal: over.signal, end: false });
  } catch (error) {
    // ssh has closed its end, or the guest has gone: ssh says so.
    const isOver = isErrno(error, 'EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE');
    if (!isOver && !over.signal.aborted) throw error;
  } finally {
    clearInterval(look);
    stream.destroy();
    io.stdin.destroy();
    await sending;
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isErrno(error, 'ESRCH');
  }
}
