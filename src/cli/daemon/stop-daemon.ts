import { poll } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { isListening } from '../../sdk/is-listening.ts';
import type { CommandContext } from '../context/context.ts';

/** Time limit for running requests, in `ms`; after it, the daemon is reported as busy. */
const STOP_DEADLINE_MS = 30_000;
const POLL_MS = 20;

/**
 * Stops the daemon and waits until it has exited; returns the outcome.
 *
 * @throws {AppError} WAIT_TIMEOUT when it is still busy after 30 s; it exits when that work has ended.
 */
export async function stopDaemon(context: CommandContext): Promise<string> {
  const { signal } = context;
  const socketPath = await context.daemonSocket();
  if (socketPath === undefined) return 'not running';
  const { createClient } = await import('../../sdk/client.ts');
  const client = createClient({ socketPath });
  try {
    await client.stopDaemon({ signal });
  } catch (error) {
    // It exited between the check and the request.
    if (isAppError(error, 'DAEMON_UNREACHABLE', 'DAEMON_LOST')) return 'not running';
    throw error;
  }
  context.progress.step('daemon stop', 'waiting for it to finish its work');
  await poll(async () => ((await isListening({ socketPath, signal })) ? undefined : true), {
    everyMs: POLL_MS,
    deadlineMs: STOP_DEADLINE_MS,
    what: 'the daemon to end',
    signal,
  });
  return 'stopped';
}
