import { neverAborts } from '../../../base/abort.ts';
import { isAppError, messageOf } from '../../../base/errors.ts';
import type { ForkedVms } from '../../../protocol/api/vm-requests.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import { resultOf } from '../../../sdk/work.ts';
import type { CommandContext } from '../../context/context.ts';
import { exitStatusOf } from '../../context/exit-status.ts';
import { spansOf } from '../../context/spans.ts';
import { statusOfExit } from '../../session/run-session.ts';
import type { ForkPlan } from './plan.ts';
import { prefixLines } from './prefix-lines.ts';

/** Makes the copies, runs the command in each, and gives the exit status. */
export async function forkVm(plan: ForkPlan, context: CommandContext): Promise<number> {
  const { ref, request, isEphemeral } = plan;
  const client = await context.client();
  const { signal } = context;
  if (!isEphemeral) {
    const forks = await context.follow(client.forkVm(ref, request, { signal }), 'vm fork');
    return await useForks(forks, { plan, client, context });
  }
  const lease = await client.leaseForks(ref, request, { signal, onNews: context.showNews('vm fork') });
  try {
    return await useForks(lease.value, { plan, client, context });
  } finally {
    await deleteAll(lease.value.vms, { client, context });
    await lease[Symbol.asyncDispose]();
  }
}

interface ForkUse {
  plan: ForkPlan;
  client: BangerClient;
  context: CommandContext;
}

async function useForks({ vms, pausedMs }: ForkedVms, { plan, client, context }: ForkUse): Promise<number> {
  const { command } = plan;
  if (!command) {
    if (plan.isJson) {
      await context.printJson({ vms, pausedMs, ...spansOf(context.spans, { isTimed: plan.isTimed }) });
    } else for (const { name } of vms) await context.print(name);
    return 0;
  }
  context.progress.clear();
  context.spans.begin('command');
  const statuses = await Promise.all(vms.map((vm) => runIn(vm, command, { plan, client, context })));
  return statuses.find((status) => status !== 0) ?? 0;
}

/** Runs the command in one copy; a failure of ours is told and counts as a failed command. */
async function runIn(
  { id, name, workspace }: Vm,
  argv: [string, ...string[]],
  { client, context }: ForkUse,
): Promise<number> {
  const { signal } = context;
  const out = prefixLines(name, (line) => context.stdout.write(line, { signal }));
  const err = prefixLines(name, (line) => context.stderr.write(line, { signal }));
  try {
    const start = { argv, ...(workspace ? { cwd: workspace.guestPath } : {}) };
    using session = await client.exec(id, start, { signal: context.signal });
    session.end();
    for await (const output of session.output()) {
      if (output.kind === 'exit') return statusOfExit(output.exit);
      await (output.kind === 'stdout' ? out : err).push(output.chunk);
    }
    return 1;
  } catch (error) {
    context.signal.throwIfAborted();
    await err.push(Buffer.from(`error: ${messageOf(error)}\n`));
    return exitStatusOf(error, { runsGuestCommand: true });
  } finally {
    await out.end();
    await err.end();
  }
}

async function deleteAll(
  vms: readonly Vm[],
  { client, context }: Pick<ForkUse, 'client' | 'context'>,
): Promise<void> {
  context.spans.begin('delete');
  await Promise.all(
    vms.map(async ({ id, name }) => {
      try {
        await resultOf(client.deleteVm(id, { signal: neverAborts() }));
      } catch (error) {
        if (isAppError(error, 'VM_NOT_FOUND')) return;
        context.warn(`--rm cleanup failed: ${messageOf(error)} (leaked vm "${name}"; delete manually)`);
      }
    }),
  );
}
