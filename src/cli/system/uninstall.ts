import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, poll } from '../../base/abort.ts';
import { AppError, isAppError, isErrno, printable } from '../../base/errors.ts';
import { shellWord } from '../../base/text/shell-word.ts';
import { SYSTEM } from '../../config/system-install.ts';
import type { CommandContext } from '../context/context.ts';
import { applySteps, givenWords, requireSystemd } from './apply.ts';
import { goArch, helperProgram, removeSteps, stopSteps, UNITS, unitFile, WRITTEN_FILES } from './plan.ts';
import { requireInstall } from './require-install.ts';
import { requireRoot } from './require-service.ts';
import { leadsTo, refuseForeign } from './steps.ts';

/** Pool VMs end with the daemon that made them. */
const POOL_ENDS_MS = 15_000;
const POLL_MS = 200;

/**
 * Removes the services, or prints what it would do.
 *
 * @throws {AppError} SYSTEM_NOT_INSTALLED, SYSTEM_FOREIGN, SYSTEM_NEEDS_ROOT, SYSTEM_NO_SYSTEMD,
 * SYSTEM_VMS_RUN, SYSTEM_FAILED.
 */
export async function uninstall(
  { purge, force, dryRun, json }: { purge: boolean; force: boolean; dryRun: boolean; json: boolean },
  context: CommandContext,
): Promise<number> {
  const { uid } = requireInstall();
  await refuseForeign(WRITTEN_FILES);
  const hasOwnLink = await leadsTo(SYSTEM.link, join(SYSTEM.tree, 'bin', 'banger'));
  const program = helperProgram(goArch());
  const helper = existsSync(program) ? { program, uid } : undefined;
  const removes = removeSteps({ isPurge: purge, hasOwnLink, ...(helper ? { helper } : {}) });
  // An uninstall that was cut off may have removed some.
  const stops = stopSteps(UNITS.filter((unit) => existsSync(unitFile(unit))));
  if (!dryRun) {
    const words = givenWords({ purge, force, json });
    requireRoot('remove services', ['system', 'uninstall', ...words], context.io);
    requireSystemd();
    if (!force) await refuseRunning(context);
  }
  const how = { isDryRun: dryRun, isJson: json };
  await applySteps(stops, context, how);
  if (!dryRun && !force) await waitForPool({ signal: context.signal });
  await applySteps(removes, context, how);
  if (json) await context.printJson({ isDryRun: dryRun, steps: [...stops, ...removes] });
  return 0;
}

async function refuseRunning(context: CommandContext): Promise<void> {
  const { signal } = context;
  const client = await context.clientIfRunning();
  if (client === undefined) {
    if ((await processesLeft()).length === 0) return;
    throw new AppError(
      'SYSTEM_VMS_RUN',
      'Cannot remove the services: VMs still run, and their daemon does not',
      {
        hint: 'sudo banger system restart, and then stop them; or end them with --force',
      },
    );
  }
  const running = (await client.listVms({ signal })).filter(({ state }) => state === 'running');
  if (running.length === 0) return;
  throw vmsRun(running.map(({ name }) => name));
}

/** Says that VMs run. Their names come from the owner's daemon, and root may paste the hint. */
export function vmsRun(names: readonly string[]): AppError {
  const shown = names.map(printable);
  return new AppError('SYSTEM_VMS_RUN', `Cannot remove the services: ${shown.join(', ')} still run`, {
    hint: `banger vm stop ${shown.map(shellWord).join(' ')}; or end them with --force`,
    details: { names },
  });
}

/** Waits for VMs without a user, of a daemon that has stopped. What hangs is killed with the services. */
async function waitForPool({ signal }: Abortable): Promise<void> {
  const look = async (): Promise<true | undefined> =>
    (await processesLeft()).length === 0 ? true : undefined;
  try {
    await poll(look, { everyMs: POLL_MS, deadlineMs: POOL_ENDS_MS, what: 'pool VMs to end', signal });
  } catch (error) {
    if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
  }
}

/** The processes of the daemon's service, which outlive it. */
async function processesLeft(): Promise<string[]> {
  const path = `/sys/fs/cgroup/system.slice/${SYSTEM.daemonUnit}/cgroup.procs`;
  try {
    return (await readFile(path, 'utf8')).split('\n').filter(Boolean);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return [];
    throw error;
  }
}
