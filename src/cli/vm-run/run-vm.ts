import type { WorkspaceSummary } from '../../protocol/api.ts';
import type { ExecExit, ExecStart } from '../../protocol/guest.ts';
import type { Vm } from '../../protocol/vm.ts';
import type { BangerClient } from '../../sdk/client.ts';
import type { CommandContext } from '../context.ts';
import { bytesOfCommand } from '../guest-command.ts';
import { formatElapsed } from '../render/format.ts';
import { runInGuest, statusOfExit } from '../session/run-session.ts';
import { announceUntracked } from '../workspace-options.ts';
import { makeVm, type OwnedVm } from './own-vm.ts';
import type { RunPlan } from './plan.ts';

/** Label of steps. */
const LABEL = 'vm run';

/** The login shell of the user; the agent sets `SHELL` from the guest's user database. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: the guest's shell expands it
const LOGIN_SHELL: [string, ...string[]] = ['sh', '-c', 'exec "${SHELL:-/bin/sh}" -l'];

/** What `vm run --json` prints. Fields are added, never changed. */
export interface RunReport {
  vm: Vm;
  /** absent with `--detach` */
  exit?: ExecExit;
  /** as the program's own: 128 + n for signal n */
  exitStatus: number;
  /** `ms` of each part; `totalMs` is up to the command's end */
  timings: { createMs: number; workspaceMs?: number; commandMs?: number; totalMs: number };
  isDeleted: boolean;
}

/**
 * Makes a VM, copies the workspace into it, runs the command, and gives its exit status. A failure before the command leaves the VM,
 * unless it was to be removed anyway, or the failure was its creation.
 */
export async function runVm(plan: RunPlan, context: CommandContext): Promise<number> {
  const begunAt = performance.now();
  const client = await context.client();
  const { workspace } = plan;
  // Refuses what is no working tree, before a VM exists.
  const summary = workspace && (await client.inspectWorkspace(workspace, { signal: context.signal }));
  if (workspace && summary) announceUntracked(summary, workspace, context);
  const { owned, ...report } = await runInNewVm({ plan, client, context, begunAt, summary });
  if (plan.isJson) {
    await context.printJson({ ...report, isDeleted: owned.isDeleted } satisfies RunReport);
  } else if (plan.isDetached) {
    const { name } = owned.vm;
    await context.print(`vm ${name} running; reconnect with: banger vm exec ${name} -- bash`);
  }
  return report.exitStatus;
}

interface RunParts {
  plan: RunPlan;
  client: BangerClient;
  context: CommandContext;
  begunAt: number;
  summary: WorkspaceSummary | undefined;
}

async function runInNewVm(parts: RunParts): Promise<Omit<RunReport, 'isDeleted'> & { owned: OwnedVm }> {
  const { plan, client, context, begunAt } = parts;
  await using owned = await makeVm(plan, { client, context });
  const { vm } = owned;
  const madeAt = performance.now();
  context.progress.done(`[vm create] ready in ${context.errorStyle.dim(formatElapsed(madeAt - begunAt))}`);
  const staysUnused = !plan.isRemoved && !plan.command && !plan.isDetached;
  let isRunning = false;
  try {
    const guestPath = await prepareWorkspace(vm, parts);
    const preparedAt = performance.now();
    const timings = {
      createMs: Math.round(madeAt - begunAt),
      ...(guestPath === undefined ? {} : { workspaceMs: Math.round(preparedAt - madeAt) }),
    };
    if (plan.isDetached) {
      return { vm, exitStatus: 0, timings: { ...timings, totalMs: Math.round(preparedAt - begunAt) }, owned };
    }
    context.progress.step(LABEL, plan.command ? 'running command in guest' : 'attaching to guest');
    isRunning = true;
    const exit = await runInGuest(client, guestRunOf(plan, { vm, guestPath, context }), context);
    const endedAt = performance.now();
    if (staysUnused) context.notice(stillRunning(vm));
    return {
      vm,
      exit,
      exitStatus: statusOfExit(exit),
      timings: {
        ...timings,
        commandMs: Math.round(endedAt - preparedAt),
        totalMs: Math.round(endedAt - begunAt),
      },
      owned,
    };
  } catch (error) {
    if (!plan.isRemoved && (!isRunning || !plan.command)) context.notice(stillRunning(vm));
    throw error;
  }
}

async function prepareWorkspace(
  vm: Vm,
  { plan, client, context }: Pick<RunParts, 'plan' | 'client' | 'context'>,
): Promise<string | undefined> {
  if (!plan.workspace) return undefined;
  context.progress.step(LABEL, 'preparing guest workspace');
  const work = client.prepareWorkspace(vm.id, plan.workspace, { signal: context.signal });
  return (await context.follow(work, LABEL)).guestPath;
}

function guestRunOf(
  plan: RunPlan,
  { vm, guestPath, context }: { vm: Vm; guestPath: string | undefined; context: CommandContext },
): Parameters<typeof runInGuest>[1] {
  const start: ExecStart = {
    argv: plan.command ? bytesOfCommand(plan.command, context.io) : LOGIN_SHELL,
    ...(guestPath === undefined ? {} : { cwd: guestPath }),
  };
  return {
    vmId: vm.id,
    start,
    isShell: !plan.command,
    ...(plan.isJson ? { stdoutTo: context.stderr, hasTerminal: false } : {}),
  };
}

function stillRunning({ name }: Vm): string {
  return `vm "${name}" is still running; a shell in it: banger vm exec ${name} -- bash; to delete it: banger vm delete ${name}`;
}
