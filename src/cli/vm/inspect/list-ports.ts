import type { Abortable } from '../../../base/abort.ts';
import type { VmPorts } from '../../../protocol/usage.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { exitStatusOf } from '../../context/exit-status.ts';
import { renderError } from '../../render/error.ts';

/**
 * Asks several VMs for their ports at the same time, by default all that run or are suspended. With several
 * VMs, failures are reported on stderr. A VM that was named twice is listed once.
 *
 * @throws {AppError} the failure, when there is only one VM.
 */
export async function listPorts(
  refs: readonly string[],
  context: CommandContext,
): Promise<{ found: VmPorts[]; status: number }> {
  const { signal } = context;
  const client = await context.client();
  const names = refs.length > 0 ? [...new Set(refs)] : await allWithPorts(client, { signal });
  const answers = await Promise.allSettled(names.map((ref) => client.vmPorts(ref, { signal })));
  signal.throwIfAborted();
  const found = new Map<string, VmPorts>();
  let status = 0;
  for (const answer of answers) {
    if (answer.status === 'fulfilled') {
      if (!found.has(answer.value.vm.id)) found.set(answer.value.vm.id, answer.value);
      continue;
    }
    if (refs.length > 0 && names.length === 1) throw answer.reason;
    context.progress.clear();
    context.stderr.put(
      renderError(answer.reason, { style: context.errorStyle, logPath: undefined, isDebug: false }),
    );
    status = Math.min(1, exitStatusOf(answer.reason, { runsGuestCommand: false }));
  }
  return { found: [...found.values()], status };
}

async function allWithPorts(client: BangerClient, { signal }: Abortable): Promise<string[]> {
  const vms = await client.listVms({ isAll: true, signal });
  return vms.filter(({ state }) => state === 'running' || state === 'suspended').map(({ id }) => id);
}
