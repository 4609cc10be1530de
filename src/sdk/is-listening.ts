import { dirname } from 'node:path';
import { type Abortable, onAbort } from '../base/abort.ts';
import { isErrno } from '../base/errors.ts';
import { requireOwnPlace } from '../base/files/private-dir.ts';
import { connectUnix } from '../base/unix-socket.ts';

/**
 * Returns whether something listens on the daemon's socket.
 *
 * @throws {AppError} DAEMON_UNREACHABLE when the socket exists and this user may not use it; DIR_NOT_PRIVATE
 * when another user could have made it.
 */
export async function isListening({
  socketPath,
  signal,
  isService = false,
}: Abortable & {
  socketPath: string;
  /** systemd made the socket's folder, perhaps for another user; otherwise it must be this user's */
  isService?: boolean;
}): Promise<boolean> {
  signal.throwIfAborted();
  if (!isService) requireOwnPlace(dirname(socketPath));
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const socket = connectUnix(socketPath);
  using _listener = onAbort(signal, () => reject(signal.reason));
  socket.once('connect', () => resolve(true));
  socket.once('error', (error) => {
    // Reset: the daemon closed its socket before it accepted this connection.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ECONNRESET')) resolve(false);
    // The backlog is full: the daemon listens and is busy.
    else if (isErrno(error, 'EAGAIN')) resolve(true);
    else reject(error);
  });
  try {
    return await promise;
  } catch (error) {
    signal.throwIfAborted();
    // Loaded only then, because every command begins here.
    const { connectionError } = await import('./errors.ts');
    throw connectionError(error, { where: 'connecting', socketPath });
  } finally {
    socket.destroy();
  }
}
