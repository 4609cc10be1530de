import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';

/** Commands that load what a VM's first commands need. */
const WARM_UPS: readonly (readonly [string, ...string[]])[] = [
  ['/bin/true'],
  ['/bin/sh', '-c', 'true'],
  ['/bin/bash', '-lc', 'true'],
  ['/usr/bin/git', '--version'],
];

/**
 * Runs what a VM's first commands need, so that their files are in the guest's memory and their code is
 * translated by an emulator. Changes nothing in the guest.
 */
export async function warmUp(agent: GuestAgent, options: Abortable): Promise<void> {
  for (const argv of WARM_UPS) {
    try {
      await agent.run({ argv: [...argv] }, options);
    } catch (error) {
      // The image may not have this program.
      if (!isAppError(error, 'GUEST_FAILED')) throw error;
    }
  }
}
