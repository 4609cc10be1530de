import { type Abortable, neverAborts, poll } from '../../base/abort.ts';
import { AppError, messageOf } from '../../base/errors.ts';
import type { Before } from './preflight.ts';
import type { ReleaseProgram } from './release-program.ts';

/** `ms` for running VMs to be known to a new daemon: it may adopt one whose VMM hangs later. */
const ADOPTION_MS = 60_000;
const EVERY_MS = 500;

/** How often a daemon of the wrong release, which another command started meanwhile, is stopped. */
const MOST_TRIES = 3;

/** What hands over to what. */
export interface HandOver {
  current: ReleaseProgram;
  next: ReleaseProgram;
  /** version of `next` */
  version: string;
  before: Before;
  step: (text: string) => void;
}

/**
 * Stops the daemon of the current release and starts that of the next one, then runs `commit`, once the new
 * daemon has passed `banger doctor` and knows all VMs that ran. VMs keep running. When anything fails, or
 * `signal` aborts, starts the daemon of the current release again, with the records that it can read.
 *
 * @throws {AppError} UPDATE_ROLLED_BACK; UPDATE_ROLLBACK_FAILED when the current release does not work
 * either.
 */
export async function handOver(
  work: HandOver,
  { commit, signal }: Abortable & { commit: () => Promise<void> },
): Promise<void> {
  try {
    await startNext(work, { signal });
    await requireVms(work, { signal });
    work.step('making it the current install');
    await commit();
  } catch (error) {
    work.step('rolling back');
    // Not the signal that may have been the reason.
    await rollBack(work, error, { signal: neverAborts() });
    throw rolledBack(error);
  }
}

/** The gate: checks that failed before do not count. */
async function startNext(
  { current, next, version, before, step }: HandOver,
  { signal }: Abortable,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    step('stopping the daemon');
    await current.stopDaemon({ signal });
    step('starting the new daemon, and checking it');
    const failed = (await next.failedChecks({ signal })).filter(({ name }) => !before.failing.has(name));
    const daemon = await next.runningDaemon({ signal });
    if (daemon && daemon.version !== version && tries < MOST_TRIES) continue;
    const [first] = failed;
    if (first) throw gateFailed(`${first.name}: ${first.message}`);
    if (!daemon) throw gateFailed('its daemon does not run');
    if (daemon.version !== version) throw gateFailed(`a daemon of ${daemon.version} runs instead`);
    return;
  }
}

async function requireVms({ next, before }: HandOver, { signal }: Abortable): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const running = new Set(await next.runningVmIds({ signal }));
    return before.vmIds.every((id) => running.has(id)) ? true : undefined;
  };
  const what = 'the new daemon to take over the running VMs';
  await poll(look, { everyMs: EVERY_MS, deadlineMs: ADOPTION_MS, what, signal });
}

async function rollBack({ current, next }: HandOver, reason: unknown, { signal }: Abortable): Promise<void> {
  try {
    for (let tries = 1; ; tries += 1) {
      // The new program may be unable to stop its own daemon.
      await next.stopDaemon({ signal }).catch(() => current.stopDaemon({ signal }));
      await current.restoreRecords({ signal });
      await current.runningVmIds({ signal });
      const daemon = await current.runningDaemon({ signal });
      if (daemon && (await isOf(daemon.version, current, { signal }))) return;
      if (tries === MOST_TRIES) throw gateFailed('the daemon of the previous install does not run');
    }
  } catch (error) {
    throw new AppError(
      'UPDATE_ROLLBACK_FAILED',
      `Cannot update: ${messageOf(reason)}; rolling back failed too: ${messageOf(error)}`,
      {
        hint: 'the previous install is still the current one: banger daemon stop, then banger doctor; banger daemon logs has the details',
        details: { previous: current.root, next: next.root },
        cause: reason,
      },
    );
  }
}

async function isOf(version: string, program: ReleaseProgram, options: Abortable): Promise<boolean> {
  return (await program.versionLine(options)).startsWith(`banger ${version} (`);
}

function rolledBack(reason: unknown): AppError {
  return new AppError(
    'UPDATE_ROLLED_BACK',
    `Cannot update: ${messageOf(reason)} (rolled back to previous install)`,
    {
      hint: 'the previous version and all VMs run; banger daemon logs says more',
      // The message has that of the reason already.
      cause: reason instanceof Error ? reason.cause : undefined,
    },
  );
}

function gateFailed(why: string): AppError {
  return new AppError('UPDATE_PROGRAM_FAILED', `the new release does not work here: ${why}`);
}
