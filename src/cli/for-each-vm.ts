import type { Vm } from '../protocol/vm.ts';
import type { BangerClient } from '../sdk/client.ts';
import type { Work } from '../sdk/work.ts';
import type { CommandContext } from './context.ts';
import { exitStatusOf } from './exit-status.ts';
import { renderError } from './render/error.ts';

/** What is done to each VM. */
export interface VmAction {
  /** for steps: `stop` */
  verb: string;
  /** what is printed of a VM that it was done to */
  outcome: (vm: Vm) => string;
  work: (client: BangerClient, ref: string, signal: AbortSignal) => Work<Vm>;
}

/**
 * Does the same to several VMs at once, each once however it is named, and prints `name: outcome` in the order they were first named. One that
 * fails does not keep the others from it.
 *
 * @returns the exit status: 0, or that of the first failure, at most 1 when there were several VMs.
 */
export async function forEachVm(
  refs: readonly string[],
  action: VmAction,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  const client = await context.client();
  const isOne = refs.length === 1;
  const seen = new Map<string, Promise<Vm>>();
  const act = async (ref: string): Promise<Vm> => {
    // With several names the record is asked for first: two of them may mean the same VM.
    const id = isOne ? ref : (await client.showVm(ref, { signal })).id;
    const known = seen.get(id);
    if (known) return await known;
    const done = context.follow(action.work(client, id, signal), `vm ${action.verb}`);
    seen.set(id, done);
    return await done;
  };
  const results = await Promise.allSettled([...new Set(refs)].map(act));
  signal.throwIfAborted();

  let status = 0;
  const printed = new Set<string>();
  for (const result of results) {
    if (result.status === 'rejected') {
      if (isOne) throw result.reason;
      context.progress.clear();
      context.stderr.put(
        renderError(result.reason, { style: context.errorStyle, logPath: undefined, isDebug: false }),
      );
      status = Math.min(1, exitStatusOf(result.reason, { runsGuestCommand: false }));
    } else if (!printed.has(result.value.id)) {
      printed.add(result.value.id);
      await context.print(`${result.value.name}: ${action.outcome(result.value)}`);
    }
  }
  return status;
}
