import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Abortable, sleep } from '../base/abort.ts';
import { AppError } from '../base/errors.ts';
import { ensurePrivateDir } from '../base/files/private-dir.ts';
import { formatTime } from '../base/text/words.ts';
import type { DaemonPlaces } from './find-daemon.ts';
import { isListening } from './is-listening.ts';

/** How to find the daemon, and how to start it when it does not run. */
export interface EnsureDaemonOptions extends Abortable, DaemonPlaces {
  /** program and arguments of the daemon */
  daemonArgv: readonly [string, ...string[]];
  /** file for its output; its folder is created, private to the user, and belongs to one daemon */
  logPath: string;
  /** its whole environment */
  env: Readonly<Record<string, string | undefined>>;
  /** called once before the daemon is started */
  onStart?: () => void;
  /** `ms` to wait for its socket; default 30,000 */
  deadlineMs?: number;
}

/** Long enough for an old daemon to drain, or for a new one to adopt many VMs on a busy host. */
const START_DEADLINE_MS = 30_000;
const FIRST_POLL_MS = 10;
const LAST_POLL_MS = 100;

/**
 * `ms` before a start is retried when the daemon exited without an error: another daemon was still running
 * and has exited since.
 */
const RETRY_MS = 300;

/** How many log lines an error quotes. */
const TAIL_LINES = 5;

/**
 * Finds the daemon's socket, and starts the daemon when nothing listens there. Several callers at once are
 * fine: the daemon itself ensures that only one runs. It keeps running when this process ends.
 *
 * @throws {AppError} DAEMON_START_FAILED with the end of its log when it died or did not answer in time (it
 * may then still be starting); HOST_NO_SPACE when the folder of its log is on a full disk; DAEMON_UNREACHABLE
 * when this user may not use the socket; DIR_NOT_PRIVATE when another user could have made it.
 */
export async function ensureDaemon(options: EnsureDaemonOptions): Promise<string> {
  const { socketPath, signal } = options;
  if (await isListening({ socketPath, signal })) return socketPath;
  // Loaded only when a daemon must be started: commands that find one start faster without it.
  const { findDaemon } = await import('./find-daemon.ts');
  const elsewhere = await findDaemon(options, { signal });
  if (elsewhere !== undefined) return elsewhere;
  options.onStart?.();
  const { reportNoSpace } = await import('../base/files/no-space.ts');
  const dir = nearestFolder(dirname(options.logPath));
  return await reportNoSpace(() => startDaemon(options), { what: "the daemon's files", dir });
}

/** Returns `dir` or its nearest existing parent: a full disk may have had no room to create `dir`. */
function nearestFolder(dir: string): string {
  return existsSync(dir) ? dir : nearestFolder(dirname(dir));
}

async function startDaemon(options: EnsureDaemonOptions): Promise<string> {
  const [{ spawnDetached }, { openLog }, { findDaemon }] = await Promise.all([
    import('../base/process/exec.ts'),
    import('./daemon-log.ts'),
    import('./find-daemon.ts'),
  ]);
  await ensurePrivateDir(dirname(options.logPath));
  using log = openLog(options.logPath);
  const deadlineMs = options.deadlineMs ?? START_DEADLINE_MS;
  const endsAt = performance.now() + deadlineMs;
  let pollMs = FIRST_POLL_MS;
  let attempt = await start();
  while (performance.now() < endsAt) {
    const found = await findDaemon(options, options);
    if (found !== undefined) return found;
    if (attempt.endedAt !== undefined) {
      if (attempt.status !== 0) throw startFailed(`it ended with status ${attempt.status}`);
      if (performance.now() - attempt.endedAt > RETRY_MS) attempt = await start();
    }
    await sleep(pollMs, options);
    pollMs = Math.min(pollMs * 1.5, LAST_POLL_MS);
  }
  throw startFailed(`it did not listen within ${formatTime(deadlineMs)}`);

  async function start(): Promise<{ status?: number | string; endedAt?: number }> {
    const child = await spawnDetached(options.daemonArgv, { outputFd: log.fd, env: { ...options.env } });
    const state: { status?: number | string; endedAt?: number } = {};
    void child.exited.then(({ code, signal }) => {
      state.status = code ?? signal ?? 'unknown';
      state.endedAt = performance.now();
    });
    return state;
  }

  function startFailed(why: string): AppError {
    const logTail = log.newLines(TAIL_LINES);
    const last = logTail.at(-1);
    return new AppError('DAEMON_START_FAILED', `Cannot start the daemon: ${why}${last ? `: ${last}` : ''}`, {
      hint: 'banger daemon logs',
      details: { logPath: options.logPath, logTail },
    });
  }
}
