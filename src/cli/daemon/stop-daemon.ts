import { poll } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { processExists } from '../../base/process/process-exists.ts';
import { type DaemonPlace, readDaemonPlace } from '../../config/daemon-places.ts';
import { resolvePaths } from '../../config/settings.ts';
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
  const { daemonPlaceFile } = resolvePaths(context.io.env);
  const place = readDaemonPlace(daemonPlaceFile);
  const hasExited = place?.socketPath === socketPath ? exitOf(place, daemonPlaceFile) : () => true;
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
  const look = async (): Promise<true | undefined> =>
    !(await isListening({ socketPath, signal })) && hasExited() ? true : undefined;
  await poll(look, {
    everyMs: POLL_MS,
    deadlineMs: STOP_DEADLINE_MS,
    what: 'the daemon to end',
    signal,
  });
  return 'stopped';
}

/**
 * Stops the services of this host, daemon and helper; returns the outcome. VMs keep running.
 *
 * @throws {AppError} SYSTEM_NEEDS_ROOT, SYSTEM_FAILED.
 */
export async function stopServices({ io, signal }: CommandContext): Promise<string> {
  const [{ carryOut }, { stopSteps }, { requireRoot }] = await Promise.all([
    import('../system/steps.ts'),
    import('../system/plan.ts'),
    import('../system/require-service.ts'),
  ]);
  requireRoot('stop services', ['daemon', 'stop'], io);
  await carryOut(stopSteps(), { signal, onStep() {} });
  return 'stopped';
}

/**
 * A daemon stops listening when it begins to stop. It deletes what it wrote about its place when everything
 * is done; a daemon that was killed does not.
 */
function exitOf({ pid }: DaemonPlace, placeFile: string): () => boolean {
  return () => readDaemonPlace(placeFile)?.pid !== pid || !processExists(pid);
}
