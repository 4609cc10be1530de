import { sleep } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { jsonText } from '../../../base/text/unprintable.ts';
import type { VmStats } from '../../../protocol/usage.ts';
import type { CommandContext } from '../../context/context.ts';
import { statsLine } from './render-usage.ts';

/** `ms` between two lines. */
const WATCH_MS = 2_000;

/**
 * Prints what a VM uses, one line at a time, until the signal aborts or the VM is no longer running.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING when it was not running at first.
 */
export async function watchStats(
  ref: string,
  { isJson, context }: { isJson: boolean; context: CommandContext },
): Promise<void> {
  const { signal } = context;
  const client = await context.client();
  for (let stats: VmStats | undefined; ; ) {
    try {
      stats = await client.vmStats(stats?.vm.id ?? ref, { signal });
    } catch (error) {
      // It was running before, so it has ended now.
      if (stats && isAppError(error, 'VM_NOT_RUNNING', 'VM_NOT_FOUND')) return;
      throw error;
    }
    await context.print(isJson ? jsonText({ vm: stats.vm, now: stats.now }) : statsLine(stats.now));
    await sleep(WATCH_MS, { signal });
  }
}
