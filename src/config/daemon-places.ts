import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../base/errors.ts';
import { type Paths, socketsIn } from './paths.ts';

/** What the daemon that holds the lock writes down: who it is, and where it listens. */
export interface DaemonPlace {
  pid: number;
  socketPath: string;
}

/** Longest file that is read, in `bytes`. */
const MAX_PLACE_CHARS = 8192;

/**
 * Folders for the sockets of a state folder that cannot hold any, the best first. Each belongs to one state
 * folder.
 */
export function spareRuntimeDirs({ runtimeHomes, stateDir }: Paths): string[] {
  const owner = createHash('sha256').update(stateDir).digest('hex').slice(0, 12);
  return runtimeHomes.map((home) => join(home, 'banger', owner));
}

/** Where a daemon may listen when nothing does at `paths.daemonSocket`, the most likely first. */
export function otherDaemonSockets(paths: Paths): string[] {
  const written = readDaemonPlace(paths.daemonPlaceFile);
  return [
    ...(written === undefined || written.socketPath === paths.daemonSocket ? [] : [written.socketPath]),
    // It could write nothing down when the disk was full.
    ...spareRuntimeDirs(paths).map((dir) => socketsIn(dir).daemonSocket),
    // Earlier versions.
    ...paths.runtimeHomes.map((home) => socketsIn(join(home, 'banger')).daemonSocket),
  ];
}

/** What is written down of the daemon, if there is something that can be understood. */
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
