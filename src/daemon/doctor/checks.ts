import type { Abortable } from '../../base/abort.ts';
import { messageOf } from '../../base/errors.ts';
import type { DoctorCheck } from '../../protocol/api/daemon.ts';
import type { Check, DoctorHost } from './check.ts';
import { checkClock } from './host/check-clock.ts';
import { checkDiskSpace } from './host/check-disk-space.ts';
import { checkEmulators } from './host/check-emulators.ts';
import { checkFileSystems } from './host/check-file-systems.ts';
import { checkLimits } from './host/check-limits.ts';
import { checkLoginSession } from './host/check-login-session.ts';
import { checkNamespaces } from './host/check-namespaces.ts';
import { checkOtherVmms } from './host/check-other-vmms.ts';
import { checkPorts } from './host/check-ports.ts';
import { checkRuntimeDir } from './host/check-runtime-dir.ts';
import { checkServices } from './host/check-services.ts';
import { checkAccelerator, checkVmm } from './host/check-vmm.ts';
import { checkWalls } from './host/check-walls.ts';
import { checkDefaultImage } from './state/check-default-image.ts';
import { checkGuestAgent } from './state/check-guest-agent.ts';
import { checkLeftovers } from './state/check-leftovers.ts';
import { checkPool } from './state/check-pool.ts';
import { checkRecords } from './state/check-records.ts';
import { checkSavedGuests } from './state/check-saved-guests.ts';
import { checkVmDefaults } from './state/check-vm-defaults.ts';
import { checkVms } from './state/check-vms.ts';
import { checkE2fsprogs } from './tools/check-e2fsprogs.ts';
import { checkImageTools } from './tools/check-image-tools.ts';
import { checkNat } from './tools/check-nat.ts';
import { checkOpenssh } from './tools/check-openssh.ts';
import { checkSshConfig } from './tools/check-ssh-config.ts';
import { checkWorkspaceTools } from './tools/check-workspace-tools.ts';

/** Every check, in the order shown; to add one, add a file and a line here. */
const CHECKS: readonly Check[] = [
  checkVmm,
  checkAccelerator,
  checkEmulators,
  checkOtherVmms,
  checkWalls,
  checkNat,
  checkGuestAgent,
  checkDefaultImage,
  checkE2fsprogs,
  checkWorkspaceTools,
  checkImageTools,
  checkNamespaces,
  checkOpenssh,
  checkSshConfig,
  checkDiskSpace,
  checkFileSystems,
  checkLimits,
  checkPorts,
  checkClock,
  checkRuntimeDir,
  checkLoginSession,
  checkServices,
  checkRecords,
  checkVms,
  checkPool,
  checkSavedGuests,
  checkLeftovers,
  checkVmDefaults,
];

/** Runs all checks; a check that throws counts as failed. */
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

/** Runs the automatic repairs one after another; returns the name of each thing that was removed. */
export async function fixHost(host: DoctorHost, options: Abortable): Promise<string[]> {
  const fixed: string[] = [];
  for (const { fix } of CHECKS) if (fix) fixed.push(...(await fix(host, options)));
  return fixed;
}
