import { type Abortable, sleep } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { SYSTEM } from '../../config/system-install.ts';
import type { CliIo } from '../context/io.ts';
import { sudoLine } from '../dns/sudo-line.ts';

/** As long as a command waits for a daemon that it starts itself. */
const START_DEADLINE_MS = 30_000;
const POLL_MS = 200;

/**
 * Returns the socket of the daemon that is a service, which `find` looks for. Commands never start that:
 * systemd does. Waits for one that systemd is starting.
 *
 * @throws {AppError} DAEMON_UNREACHABLE
 */
export async function requireService(
  find: () => Promise<string | undefined>,
  { io, signal, onWait }: Abortable & { io: CliIo; onWait: () => void },
): Promise<string> {
  const endsAt = performance.now() + START_DEADLINE_MS;
  let socketPath = await find();
  while (socketPath === undefined && performance.now() < endsAt && (await isStarting({ signal }))) {
    onWait();
    await sleep(POLL_MS, { signal });
    socketPath = await find();
  }
  if (socketPath !== undefined) return socketPath;
  throw new AppError(
    'DAEMON_UNREACHABLE',
    `Cannot reach the daemon: the service ${SYSTEM.daemonUnit} does not run`,
    {
      hint: sudoLine(['system', 'restart'], io),
      details: { unit: SYSTEM.daemonUnit },
    },
  );
}

/** Whether systemd has started the daemon, or is about to. */
async function isStarting({ signal }: Abortable): Promise<boolean> {
  const { exec } = await import('../../base/process/exec.ts');
  const options = { signal, okCodes: [0, 1, 2, 3, 4] };
  const { stdout } = await exec(['systemctl', 'is-active', SYSTEM.daemonUnit], options);
  return ['active', 'activating', 'reloading'].includes(stdout.toString('utf8').trim());
}

/**
 * Refuses what only root can do.
 *
 * @throws {AppError} SYSTEM_NEEDS_ROOT with the line that does it as root
 */
export function requireRoot(what: string, words: readonly string[], io: CliIo): void {
  if (process.getuid?.() === 0) return;
  throw new AppError('SYSTEM_NEEDS_ROOT', `Cannot ${what}: only root can`, { hint: sudoLine(words, io) });
}
