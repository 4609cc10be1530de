import type { ExecExit, ExecStart } from '../../protocol/guest.ts';
import type { Vm } from '../../protocol/vm.ts';
import type { BangerClient } from '../../sdk/client.ts';
import type { CommandContext } from '../context.ts';
import { bytesOfCommand } from '../guest-command.ts';
import { formatElapsed } from '../render/format.ts';
import { runInGuest, statusOfExit } from '../session/run-session.ts';
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
  exit: ExecExit;
  /** as the program's own: 128 + n for signal n */
  exitStatus: number;
  /** `ms` of each part; `totalMs` is up to the command's end */
  timings: { createMs: number; workspaceMs?: number; commandMs: number; totalMs: number };
  isDeleted: boolean;
}

/**
 * Makes a VM, copies the workspace into it, runs the command, and gives its exit status. A failure before the command leaves the VM,
 * unless it was to be removed anyway, or the failure was its creation.
 */
export async function runVm(plan: RunPlan, context: CommandContext): Promise<number> {
  const begunAt = performance.now();
  const client = await context.client();
  if (plan.path !== undefined) await announceUntracked(plan.path, { client, context });
  const { owned, ...report } = await runInNewVm(plan, { client, context, begunAt });
  if (plan.isJson) {
    await context.printJson({ ...report, isDeleted: owned.isDeleted } satisfies RunReport);
  }
  return report.exitStatus;
}

interface RunParts {
  client: BangerClient;
  context: CommandContext;
  begunAt: number;
}

async function runInNewVm(
  plan: RunPlan,
  { client, context, begunAt }: RunParts,
): Promise<Omit<RunReport, 'isDeleted'> & { owned: OwnedVm }> {
  await using owned = await makeVm(plan, { client, context });
  const { vm } = owned;
  const madeAt = performance.now();
  context.progress.done(`[vm create] ready in ${context.errorStyle.dim(formatElapsed(madeAt - begunAt))}`);
  let isRunning = false;
  try {
    const guestPath = await prepareWorkspace(vm, { plan, client, context });
    const preparedAt = performance.now();
    context.progress.step(LABEL, plan.command ? 'running command in guest' : 'attaching to guest');
    isRunning = true;
    const exit = await runInGuest(client, guestRunOf(plan, { vm, guestPath, context }), context);
    const endedAt = performance.now();
    if (!plan.isRemoved && !plan.command) context.notice(stillRunning(vm));
    return {
      vm,
      exit,
      exitStatus: statusOfExit(exit),
      timings: {
        createMs: Math.round(madeAt - begunAt),
        ...(guestPath === undefined ? {} : { workspaceMs: Math.round(preparedAt - madeAt) }),
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

/** Says how many files of the working tree the guest will not see; refuses what is no working tree, before a VM exists. */
async function announceUntracked(
  path: string,
  { client, context }: Pick<RunParts, 'client' | 'context'>,
): Promise<void> {
  const { untrackedCount } = await client.inspectWorkspace({ path }, { signal: context.signal });
  if (untrackedCount === 0) return;
  const files = untrackedCount === 1 ? '1 untracked file stays' : `${untrackedCount} untracked files stay`;
  context.notice(`${files} on the host; git add what the VM shall see`);
}

async function prepareWorkspace(
  vm: Vm,
  { plan, client, context }: Pick<RunParts, 'client' | 'context'> & { plan: RunPlan },
): Promise<string | undefined> {
  if (plan.path === undefined) return undefined;
  context.progress.step(LABEL, 'preparing guest workspace');
  const work = client.prepareWorkspace(vm.id, { path: plan.path }, { signal: context.signal });
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
