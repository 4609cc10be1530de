import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../base/errors.ts';
import { type Paths, socketsIn } from './paths.ts';

/** What the daemon that holds the lock writes to a file: its pid, and the socket it listens on. */
export interface DaemonPlace {
  pid: number;
  socketPath: string;
}

/** Longest such file that is read, in `bytes`. */
const MAX_PLACE_CHARS = 8192;

/**
 * Folders for sockets when the state folder cannot hold any, the best first. Each belongs to one state
 * folder.
 */
export function spareRuntimeDirs({ runtimeHomes, stateDir }: Paths): string[] {
  const owner = createHash('sha256').update(stateDir).digest('hex').slice(0, 12);
  return runtimeHomes.map((home) => join(home, 'banger', owner));
}

/** Sockets of a daemon when nothing listens at `paths.daemonSocket`, the most likely first. */
export function otherDaemonSockets(paths: Paths): string[] {
  const written = readDaemonPlace(paths.daemonPlaceFile);
  return [
    ...(written === undefined || written.socketPath === paths.daemonSocket ? [] : [written.socketPath]),
    // A daemon that started on a full disk could not write the file.
    ...spareRuntimeDirs(paths).map((dir) => socketsIn(dir).daemonSocket),
    // Where earlier versions listened.
    ...paths.runtimeHomes.map((home) => socketsIn(join(home, 'banger')).daemonSocket),
  ];
}

/** Reads what the daemon has written; returns `undefined` when the file is missing or not valid. */
export function readDaemonPlace(path: string): DaemonPlace | undefined {
  try {
    const text = readFileSync(path, 'utf8').slice(0, MAX_PLACE_CHARS);
    const found: unknown = JSON.parse(text);
    return isDaemonPlace(found) ? { pid: found.pid, socketPath: found.socketPath } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function isDaemonPlace(value: unknown): value is DaemonPlace {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, socketPath } = value as Record<string, unknown>;
  return (
    Number.isInteger(pid) && Number(pid) > 0 && typeof socketPath === 'string' && socketPath.startsWith('/')
  );
}
