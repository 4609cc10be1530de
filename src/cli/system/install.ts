import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, isErrno } from '../../base/errors.ts';
import { readSystemInstall, SYSTEM } from '../../config/system-install.ts';
import type { CommandContext } from '../context/context.ts';
import { applySteps, givenWords, requireSystemd } from './apply.ts';
import { findOwner } from './owner.ts';
import { goArch, installSteps, WRITTEN_FILES } from './plan.ts';
import { requireRoot } from './require-service.ts';
import { leadsTo, refuseForeign, refuseOtherOwner } from './steps.ts';

/**
 * Installs the services, or prints what it would do.
 *
 * @throws {AppError} USAGE_OPTION_VALUE, SYSTEM_FOREIGN, SYSTEM_OTHER_OWNER, SYSTEM_NEEDS_ROOT,
 * SYSTEM_NO_SYSTEMD, SYSTEM_INCOMPLETE, SYSTEM_FAILED.
 */
export async function install(
  options: { owner: string | undefined; dryRun: boolean; json: boolean },
  context: CommandContext,
): Promise<number> {
  const { io, signal } = context;
  const present = readSystemInstall();
  const name = options.owner ?? io.env['SUDO_USER'] ?? present?.owner;
  if (name === undefined) {
    throw new AppError('USAGE_OPTIONS', 'Cannot tell whose VMs they will be: --owner is missing', {
      hint: 'banger system install --owner USER',
      details: { field: 'owner' },
    });
  }
  const owner = await findOwner(name, { signal });
  await refuseForeign(WRITTEN_FILES);
  if (present !== undefined && present.uid !== owner.uid) {
    throw new AppError(
      'SYSTEM_OTHER_OWNER',
      `Cannot install for "${name}": the services are those of "${present.owner}"`,
      {
        hint: `a host has one owner; ${name} can use banger without root, or first: sudo banger system uninstall`,
        details: { owner: present.owner },
      },
    );
  }
  await refuseOtherOwner([SYSTEM.stateDir, SYSTEM.cacheDir, SYSTEM.runtimeDir], owner.uid);
  const hasCommand = await hasOtherCommand();
  const facts = { owner, arch: goArch() };
  const steps = installSteps(facts, { io, now: new Date(), hasCommand });
  if (!options.dryRun) {
    requireRoot(
      'install services',
      ['system', 'install', ...givenWords({ owner: name, json: options.json })],
      io,
    );
    requireSystemd();
  }
  await applySteps(steps, context, { isDryRun: options.dryRun, isJson: options.json });
  if (!options.dryRun) {
    context.progress.step('system', 'waiting for the services to answer');
    const { waitReady } = await import('./wait-ready.ts');
    await waitReady({ signal });
  }
  if (options.json) await context.printJson({ owner: name, isDryRun: options.dryRun, steps });
  else if (!options.dryRun) await context.print(`ready: ${name} now uses the services; next: banger doctor`);
  return 0;
}

/** Whether `/usr/local/bin/banger` is something else than our link. */
async function hasOtherCommand(): Promise<boolean> {
  if (await leadsTo(SYSTEM.link, join(SYSTEM.tree, 'bin', 'banger'))) return false;
  try {
    await lstat(SYSTEM.link);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}
