import { neverAborts } from '../../../base/abort.ts';
import { isAppError, messageOf } from '../../../base/errors.ts';
import type { ForkedVms } from '../../../protocol/api/vm-requests.ts';
import type { ExecStart } from '../../../protocol/guest.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import { resultOf } from '../../../sdk/work.ts';
import type { CommandContext } from '../../context/context.ts';
import { exitStatusOf } from '../../context/exit-status.ts';
import { spansOf } from '../../context/spans.ts';
import { exactStart } from '../../session/exact-start.ts';
import { statusOfExit } from '../../session/run-session.ts';
import { startFolder } from '../start-folder.ts';
import type { ForkPlan } from './plan.ts';
import { prefixLines } from './prefix-lines.ts';

/** Variable that tells the command in which copy it runs, from 0. */
const INDEX_VARIABLE = 'BANGER_FORK_INDEX';

/** Makes the copies, runs the command in each, and returns the exit status. */
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
  const cwd = await startFolderOf(vms, { plan, client, context });
  const runs = vms.map((vm, index) => {
    const env = { ...plan.env, [INDEX_VARIABLE]: String(index) };
    return runIn(
      vm,
      { argv: command, env, ...(cwd === undefined ? {} : { cwd }) },
      { plan, client, context },
    );
  });
  const statuses = await Promise.all(runs);
  return statuses.find((status) => status !== 0) ?? 0;
}

/** All are copies of the same VM: what one of them has, all have. */
async function startFolderOf(
  [first]: readonly Vm[],
  { client, context }: ForkUse,
): Promise<string | undefined> {
  return first?.workspace && (await startFolder(first.id, first.workspace, { client, context }));
}

/** Runs the command in one copy. A failure of banger itself is printed and counts as a failed command. */
async function runIn({ id, name }: Vm, start: ExecStart, { client, context }: ForkUse): Promise<number> {
  const { signal } = context;
  const out = prefixLines(name, (line) => context.stdout.write(line, { signal }));
  const err = prefixLines(name, (line) => context.stderr.write(line, { signal }));
  try {
    using session = await client.exec(id, exactStart(start), { signal: context.signal });
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
