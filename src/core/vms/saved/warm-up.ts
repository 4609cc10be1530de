import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';

/** The least that every command needs. */
const FIRST = ['/bin/true'] as const;

/** Commands that load what a VM's first commands need. */
const WARM_UPS: readonly (readonly [string, ...string[]])[] = [
  FIRST,
  ['/bin/sh', '-c', 'true'],
  ['/bin/bash', '-lc', 'true'],
  ['/usr/bin/git', '--version'],
];

/**
 * Runs what a VM's first commands need, so that their files are in the guest's memory and their code is
 * translated by an emulator. Changes nothing in the guest. Runs no further command once `hurry` aborts.
 */
export async function warmUp(
  agent: GuestAgent,
  { signal, hurry }: Abortable & { hurry?: AbortSignal },
): Promise<void> {
  for (const argv of WARM_UPS) {
    if (hurry?.aborted) return;
    try {
      await agent.run({ argv: [...argv] }, { signal });
    } catch (error) {
      // The image may not have this program.
      if (!isAppError(error, 'GUEST_FAILED')) throw error;
    }
  }
}
