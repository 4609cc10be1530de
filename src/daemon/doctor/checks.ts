import type { Abortable } from '../../base/abort.ts';
import { messageOf } from '../../base/errors.ts';
import type { DoctorCheck } from '../../protocol/api.ts';
import type { Check, DoctorHost } from './check.ts';
import { checkDefaultImage } from './check-default-image.ts';
import { checkDiskSpace } from './check-disk-space.ts';
import { checkImageTools } from './check-image-tools.ts';
import { checkRuntimeDir } from './check-runtime-dir.ts';
import { checkVmDefaults } from './check-vm-defaults.ts';
import { checkAccelerator, checkVmm } from './check-vmm.ts';
import { checkWorkspaceTools } from './check-workspace-tools.ts';

/** Every check, in the order shown; add one by a file and a line here. */
const CHECKS: readonly Check[] = [
  checkVmm,
  checkAccelerator,
  checkDefaultImage,
  checkImageTools,
  checkWorkspaceTools,
  checkDiskSpace,
  checkRuntimeDir,
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
