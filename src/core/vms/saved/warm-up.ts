import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';

/** What the first commands of a VM need. */
const WARM_UPS: readonly (readonly [string, ...string[]])[] = [
  ['/bin/true'],
  ['/bin/sh', '-c', 'true'],
  ['/bin/bash', '-lc', 'true'],
  ['/usr/bin/git', '--version'],
];

/**
 * Runs what the first commands of a VM need: the files are in the guest's memory then, and its code in that
 * of an emulator. Changes nothing in the guest.
 */
export async function warmUp(agent: GuestAgent, options: Abortable): Promise<void> {
  for (const argv of WARM_UPS) {
    try {
      await agent.run({ argv: [...argv] }, options);
    } catch (error) {
      // An image need not have it.
      if (!isAppError(error, 'GUEST_FAILED')) throw error;
    }
  }
}
