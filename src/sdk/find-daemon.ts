import { type Abortable, withDeadline } from '../base/abort.ts';
import { isAppError } from '../base/errors.ts';
import { createClient } from './client.ts';
import { isListening } from './is-listening.ts';

/** Where the daemon of one state folder may listen. */
export interface DaemonPlaces {
  /** the usual socket */
  socketPath: string;
  /** the daemon is a service of this host */
  isService?: boolean;
  /** other possible sockets; called only when nothing listens on the usual one */
  otherSockets?: () => Promise<readonly string[]>;
  /** the daemon's log; a daemon on another socket is the right one when it has the same log */
  logPath: string;
}

/** `ms` for a daemon on another socket to answer which one it is. */
const ANSWER_DEADLINE_MS = 5_000;

/**
 * Returns the path of the socket on which the daemon of this state folder listens; `undefined` when there is
 * none. A user may have several daemons, each with its own state folder.
 *
 * @throws {AppError} as {@link isListening} for `socketPath`; errors of other sockets are ignored.
 */
export async function findDaemon(places: DaemonPlaces, { signal }: Abortable): Promise<string | undefined> {
  const { isService = false } = places;
  if (await isListening({ socketPath: places.socketPath, isService, signal })) return places.socketPath;
  for (const socketPath of (await places.otherSockets?.()) ?? []) {
    if (await isMeant(socketPath, places, { signal })) return socketPath;
  }
  return undefined;
}

async function isMeant(
  socketPath: string,
  { logPath }: DaemonPlaces,
  { signal }: Abortable,
): Promise<boolean> {
  const options = { signal, deadlineMs: ANSWER_DEADLINE_MS, what: `the daemon at "${socketPath}"` };
  try {
    if (!(await isListening({ socketPath, signal }))) return false;
    const client = createClient({ socketPath });
    const status = await withDeadline((inner) => client.daemonStatus({ signal: inner }), options);
    return status.logPath === logPath;
  } catch (error) {
    signal.throwIfAborted();
    if (isAppError(error)) return false;
    throw error;
  }
}
