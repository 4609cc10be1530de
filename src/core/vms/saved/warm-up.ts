import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';

type Command = readonly [string, ...string[]];

/** Needs the least, and what it needs every command does. */
const LEAST: readonly Command[] = [['/bin/true']];

/** Commands that load what a VM's first commands need. */
const WARM_UPS: readonly Command[] = [
  ...LEAST,
  ['/bin/sh', '-c', 'true'],
  ['/bin/bash', '-lc', 'true'],
  ['/usr/bin/git', '--version'],
  // Git in a large working tree asks it, and copies of one are applied by it.
  ['/run/banger/agent', 'version'],
];

/**
 * Runs what a VM's first commands need, so that their files are in the guest's memory and their code is
 * translated by an emulator. Changes nothing in the guest. With `isLeast` it runs only what every command
 * needs, which takes an emulated guest a third of the time. Runs no further command once `hurry` aborts.
 */
export async function warmUp(
  agent: GuestAgent,
  { signal, hurry, isLeast = false }: Abortable & { hurry?: AbortSignal; isLeast?: boolean },
): Promise<void> {
  for (const argv of isLeast ? LEAST : WARM_UPS) {
    if (hurry?.aborted) return;
    try {
      await agent.run({ argv: [...argv] }, { signal });
    } catch (error) {
      // The image may not have this program.
      if (!isAppError(error, 'GUEST_FAILED')) throw error;
    }
  }
}
