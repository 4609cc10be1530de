import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Abortable, poll } from '../base/abort.ts';
import { isErrno } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { readDaemonPlace } from '../config/daemon-places.ts';
import { type Paths, socketsIn } from '../config/paths.ts';
import { DaemonLock } from './daemon-lock.ts';

/** `ms` within which a daemon of an earlier version listens, whatever it found when it started. */
const START_MS = 60_000;

/** `ms` that an earlier daemon gets to finish its work: less than a command waits for its daemon. */
const END_MS = 25_000;

/**
 * Deals with the daemon that holds the lock of this state folder. Leaves a daemon of this version alone. The
 * socket of an earlier version depends on the session that started it: when that daemon listens, this
 * announces it, so that commands find it. When its socket is gone, nobody can reach it: a signal asks it to
 * end, which leaves its VMs running. Returns the lock in that case.
 */
export async function meetHolder(
  paths: Paths,
  { log, signal, startMs = START_MS }: Abortable & { log: Logger; startMs?: number },
): Promise<DaemonLock | undefined> {
  const holder = await holderOf(paths.daemonLockFile);
  if (!holder || readDaemonPlace(paths.daemonPlaceFile)?.pid === holder.pid) return DaemonLock.take(paths);
  const socketPath = socketOf(holder);
  if (await listens(socketPath)) {
    DaemonLock.announceOther(paths, { pid: holder.pid, socketPath });
    return undefined;
  }
  if (holder.ageMs < startMs) return undefined;
  log.warn('the earlier daemon is unreachable because its socket is gone: asking it to end', {
    pid: holder.pid,
    socketPath,
  });
  try {
    process.kill(holder.pid, 'SIGTERM');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
  return await poll(() => DaemonLock.take(paths), {
    everyMs: 50,
    deadlineMs: END_MS,
    what: `the daemon ${holder.pid}, which cannot be reached, to end`,
    signal,
  });
}

interface Holder {
  pid: number;
  ageMs: number;
  runtimeHome: string;
}

function socketOf({ runtimeHome }: Holder): string {
  return socketsIn(join(runtimeHome, 'banger')).daemonSocket;
}

/** The daemon of this user that has `lockPath` open, other than this process. */
async function holderOf(lockPath: string): Promise<Holder | undefined> {
  const file = await realpath(lockPath);
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const { uid, ctimeMs } = await stat(`/proc/${pid}`);
      if (uid !== process.getuid?.() || !(await isDaemon(pid)) || !(await hasOpen(pid, file))) continue;
      return { pid, ageMs: Date.now() - ctimeMs, runtimeHome: await runtimeHomeOf(pid) };
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) throw error;
    }
  }
  return undefined;
}

async function isDaemon(pid: number): Promise<boolean> {
  const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  return argv.some((word) => /(^|\/)(bangerd\.cjs|bangerd|daemon\/main\.ts)$/.test(word));
}

async function hasOpen(pid: number, file: string): Promise<boolean> {
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    try {
      if ((await readlink(`/proc/${pid}/fd/${fd}`)) === file) return true;
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return false;
}

async function runtimeHomeOf(pid: number): Promise<string> {
  const variables = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
  const found = variables.find((variable) => variable.startsWith('XDG_RUNTIME_DIR='));
  return found?.slice(found.indexOf('=') + 1) || `/tmp/banger-runtime-${process.getuid?.() ?? 0}`;
}

async function listens(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath);
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      // A full backlog: it listens, and is busy.
      socket.once('error', (error) => resolve(isErrno(error, 'EAGAIN')));
    });
  } finally {
    socket.destroy();
  }
}
