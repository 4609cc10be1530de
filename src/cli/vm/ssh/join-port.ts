import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isAppError, isErrno } from '../../../base/errors.ts';
import { processExists } from '../../../base/process/process-exists.ts';
import type { GuestPortQuery } from '../../../protocol/api/guest-queries.ts';
import { TCP_UPGRADE } from '../../../protocol/api.ts';
import { noSsh, SSH_PORT } from '../../../protocol/no-ssh.ts';
import { vmOfHostName } from '../../../protocol/vm-domain.ts';
import { vmPath, withQuery } from '../../../sdk/paths.ts';
import { plainUpgrade } from '../../../sdk/plain-upgrade.ts';
import type { CommandContext } from '../../context/context.ts';

/** How often to check whether the owner is still running, in `ms`. */
const OWNER_LOOK_MS = 500;

/** Which port to connect to. */
export interface PortToJoin {
  /** name or id of the VM, or its name with `.vm` */
  host: string;
  port: number;
  ownerPid?: number;
}

/**
 * Connects our stdin and stdout to a port of a guest, until either side closes, a signal arrives (ssh ends
 * its proxy with SIGHUP), or the process `ownerPid` has exited. Otherwise an ssh would keep running after its
 * `banger vm ssh` was killed.
 *
 * @throws {AppError} GUEST_NO_SSH when nothing listens on port 22; the daemon's own errors.
 */
export async function joinPort({ host, port, ownerPid }: PortToJoin, context: CommandContext): Promise<void> {
  const { io, interrupts } = context;
  const stream = await openPort({ host, port }, context);
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

/**
 * Does not load the client of the API, which would take longer than everything else here.
 * Does not warn when the daemon is of another build: nobody expects that from ssh or git.
 */
async function openPort(
  { host, port }: PortToJoin,
  { ensureDaemon, progress, signal }: CommandContext,
): Promise<Duplex> {
  const name = vmOfHostName(host);
  const path = withQuery<GuestPortQuery>(vmPath(name, 'tcp'), { port });
  const socketPath = await ensureDaemon();
  try {
    const stream = await plainUpgrade({ socketPath, path, upgrade: TCP_UPGRADE, signal });
    if (stream) return stream;
    const { callForUpgrade } = await import('../../../sdk/transport.ts');
    return await callForUpgrade({ socketPath }, { method: 'POST', path, upgrade: TCP_UPGRADE, signal });
  } catch (error) {
    throw port === SSH_PORT && isAppError(error, 'GUEST_PORT_CLOSED') ? noSsh(name) : error;
  } finally {
    progress.clear();
  }
}
