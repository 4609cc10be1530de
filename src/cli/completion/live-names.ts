import { withDeadline } from '../../base/abort.ts';
import { isAppError, printable } from '../../base/errors.ts';
import type { CommandContext } from '../context/context.ts';

/** `ms` that a user who pressed Tab waits for the daemon. */
const DEADLINE_MS = 1_000;

/**
 * Names of the VMs or images there are now. None when the daemon does not run or does not answer: completing
 * starts nothing and says nothing.
 */
export async function liveNames(kind: 'vm' | 'image', context: CommandContext): Promise<string[]> {
  try {
    return await withDeadline(
      async (signal) => {
        const client = await context.clientIfRunning();
        if (!client) return [];
        const found =
          kind === 'vm' ? await client.listVms({ isAll: true, signal }) : await client.listImages({ signal });
        return found.map(({ name }) => printable(name));
      },
      { signal: context.signal, deadlineMs: DEADLINE_MS, what: 'names' },
    );
  } catch (error) {
    if (isAppError(error)) return [];
    throw error;
  }
}
