import { pipeline } from 'node:stream/promises';
import { isErrno } from '../../../base/errors.ts';
import { processExists } from '../../../base/process/process-exists.ts';
import type { CommandContext } from '../../context/context.ts';

/** How often to check whether the owner is still running, in `ms`. */
const OWNER_LOOK_MS = 500;

/**
 * Connects our stdin and stdout to a port of a guest, until either side closes, a signal arrives (ssh ends
 * its proxy with SIGHUP), or the process `ownerPid` has exited. Otherwise an ssh would keep running after its
 * `banger vm ssh` was killed.
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
          if (!processExists(ownerPid)) over.abort();
        }, OWNER_LOOK_MS);
  // The end of our input ends the input of the port; errors arrive on the way back.
  const sending = pipeline(io.stdin, stream, { signal: over.signal }).catch(() => {});
  try {
    await pipeline(stream, io.stdout, { signal: over.signal, end: false });
  } catch (error) {
    // ssh has closed its end, or the guest is gone. ssh reports this itself.
    const isOver = isErrno(error, 'EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE');
    if (!isOver && !over.signal.aborted) throw error;
  } finally {
    clearInterval(look);
    stream.destroy();
    io.stdin.destroy();
    await sending;
  }
}
