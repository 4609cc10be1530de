import type { Abortable } from '../../base/abort.ts';
import { messageOf } from '../../base/errors.ts';
import type { DoctorCheck } from '../../protocol/api/daemon.ts';
import type { Check, DoctorHost } from './check.ts';
import { checkClock } from './check-clock.ts';
import { checkDefaultImage } from './check-default-image.ts';
import { checkDiskSpace } from './check-disk-space.ts';
import { checkE2fsprogs } from './check-e2fsprogs.ts';
import { checkFileSystems } from './check-file-systems.ts';
import { checkGuestAgent } from './check-guest-agent.ts';
import { checkImageTools } from './check-image-tools.ts';
import { checkLeftovers } from './check-leftovers.ts';
import { checkLimits } from './check-limits.ts';
import { checkLoginSession } from './check-login-session.ts';
import { checkNamespaces } from './check-namespaces.ts';
import { checkNat } from './check-nat.ts';
import { checkOpenssh } from './check-openssh.ts';
import { checkRecords } from './check-records.ts';
import { checkRuntimeDir } from './check-runtime-dir.ts';
import { checkSavedGuests } from './check-saved-guests.ts';
import { checkVmDefaults } from './check-vm-defaults.ts';
import { checkAccelerator, checkVmm } from './check-vmm.ts';
import { checkVms } from './check-vms.ts';
import { checkWalls } from './check-walls.ts';
import { checkWorkspaceTools } from './check-workspace-tools.ts';

/** Every check, in the order shown; add one by a file and a line here. */
const CHECKS: readonly Check[] = [
  checkVmm,
  checkAccelerator,
  checkWalls,
  checkNat,
  checkGuestAgent,
  checkDefaultImage,
  checkE2fsprogs,
  checkWorkspaceTools,
  checkImageTools,
  checkNamespaces,
  checkOpenssh,
  checkDiskSpace,
  checkFileSystems,
  checkLimits,
  checkClock,
  checkRuntimeDir,
  checkLoginSession,
  checkRecords,
  checkVms,
  checkSavedGuests,
  checkLeftovers,
  checkVmDefaults,
];

/** Runs all checks; one that breaks is a failed check. */
export async function runChecks(host: DoctorHost, options: Abortable): Promise<DoctorCheck[]> {
  return await Promise.all(
    CHECKS.map(async ({ name, run }) => {
      try {
        return { name, ...(await run(host, options)) };
      } catch (error) {
        options.signal.throwIfAborted();
        return { name, status: 'fail', message: messageOf(error) } satisfies DoctorCheck;
      }
    }),
  );
}

/**
 * Runs what the checks can put right by themselves, one after another; gives the name of each thing that was
 * removed.
 */
export async function fixHost(host: DoctorHost, options: Abortable): Promise<string[]> {
  const fixed: string[] = [];
  for (const { fix } of CHECKS) if (fix) fixed.push(...(await fix(host, options)));
  return fixed;
}
