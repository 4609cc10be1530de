import { type Abortable, withDeadline } from '../base/abort.ts';
import { isAppError } from '../base/errors.ts';
import { createClient } from './client.ts';
import { isListening } from './is-listening.ts';

/** Where the daemon of one state folder may listen. */
export interface DaemonPlaces {
  /** where it listens nearly always */
  socketPath: string;
  /** where else it may; asked for only when nothing listens there */
  otherSockets?: () => Promise<readonly string[]>;
  /** its log: what is found elsewhere is this daemon when it has the same */
  logPath: string;
}

/** `ms` for a daemon elsewhere to say who it is. */
const ANSWER_DEADLINE_MS = 5_000;

/**
 * The path of the socket that the daemon listens on; `undefined` when there is none. Several daemons of one
 * user, each with a state folder of its own, are told apart.
 *
 * @throws {AppError} as {@link isListening} for `socketPath`; what is wrong elsewhere is passed over.
 */
export async function findDaemon(places: DaemonPlaces, { signal }: Abortable): Promise<string | undefined> {
  if (await isListening({ socketPath: places.socketPath, signal })) return places.socketPath;
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
