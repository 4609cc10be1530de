import type { ExecExit, ExecStart } from '../../../protocol/guest.ts';
import type { Vm, VmWorkspace } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { type Span, spansOf } from '../../context/spans.ts';
import { exactStart } from '../../session/exact-start.ts';
import { runInGuest, statusOfExit } from '../../session/run-session.ts';
import { startFolder } from '../start-folder.ts';
import type { ExecPlan } from './plan.ts';

/** What `vm exec --json` prints. Fields are added, never changed. */
interface ExecReport {
  vm: Vm;
  exit: ExecExit;
  /** also the exit status of banger: 128 + n for signal n */
  exitStatus: number;
  /** with `--timings` */
  spans?: Span[];
}

/**
 * Runs a command in an existing VM and returns its exit status. Without `workdir`, the command starts in the
 * folder of the VM's workspace that matches ours. When HEAD or files of the working tree have changed on
 * this host since they were copied, prints a warning, or copies the changes first if asked to.
 */
export async function execInVm(plan: ExecPlan, context: CommandContext): Promise<number> {
  const client = await context.client();
  const vm = await client.showVm(plan.ref, { signal: context.signal, withHost: true });
  await freshen(vm, { plan, client, context });
  const cwd = plan.workdir ?? (await startFolderOf(vm, { plan, client, context }));
  const start = {
    argv: plan.command,
    ...(Object.keys(plan.env).length > 0 ? { env: plan.env } : {}),
    ...(cwd === undefined ? {} : { cwd }),
    ...(plan.user === undefined ? {} : { user: plan.user }),
  };
  if (plan.isDetached) return await detachInVm(start, { vm, plan, client, context });
  const exit = await runInGuest(
    client,
    {
      vmId: vm.id,
      start,
      isShell: false,
      hasTerminal: plan.hasTerminal,
      timeoutMs: plan.timeoutMs,
      ...(plan.isJson ? { stdoutTo: context.stderr } : {}),
    },
    context,
  );
  const exitStatus = statusOfExit(exit);
  if (plan.isJson) {
    const spans = spansOf(context.spans, { isTimed: plan.isTimed });
    await context.printJson({ vm, exit, exitStatus, ...spans } satisfies ExecReport);
  }
  return exitStatus;
}

async function detachInVm(
  start: Omit<ExecStart, 'pty'>,
  { vm, plan, client, context }: ExecParts & { vm: Vm },
): Promise<number> {
  const { signal } = context;
  const job = await client.startJob(vm.id, exactStart(start), { timeoutMs: plan.timeoutMs, signal });
  if (plan.isJson) await context.printJson(job);
  else {
    await context.print(job.id);
    if (context.stderr.isTerminal) context.notice(`follow it with: banger vm attach ${vm.name} ${job.id}`);
  }
  return 0;
}

interface ExecParts {
  plan: ExecPlan;
  client: BangerClient;
  context: CommandContext;
}

/** Another user than root and the VM's own starts at home: the workspace is not theirs. */
async function startFolderOf(
  { id, workspace, user }: Vm,
  { plan, client, context }: ExecParts,
): Promise<string | undefined> {
  if (!workspace || ![undefined, 'root', user].includes(plan.user)) return undefined;
  return await startFolder(id, workspace, { client, context });
}

async function freshen(vm: Vm, { plan, client, context }: ExecParts): Promise<void> {
  const { workspace } = vm;
  if (!workspace || !isStale(workspace) || vm.state !== 'running') return;
  const { sourcePath, guestPath, headCommit, hostHeadCommit, includesUntracked, excludesSubmodules } =
    workspace;
  if (!plan.isAutoPrepared) {
    const what =
      hostHeadCommit === headCommit
        ? `files in ${sourcePath} have changed since they were copied`
        : `${sourcePath} is at ${shortCommit(hostHeadCommit)}, the VM has ${shortCommit(headCommit)}`;
    context.warn(`workspace stale: ${what}; --auto-prepare copies what has changed`);
    return;
  }
  const request = {
    path: sourcePath,
    guestPath,
    ...(includesUntracked ? { includeUntracked: true } : {}),
    ...(excludesSubmodules ? { noSubmodules: true } : {}),
  };
  context.progress.step('vm exec', 'preparing guest workspace');
  await context.follow(client.prepareWorkspace(vm.id, request, { signal: context.signal }), 'vm exec');
}

/** A daemon of an earlier version only says where HEAD is. */
function isStale({ isStale: said, headCommit, hostHeadCommit }: VmWorkspace): boolean {
  return said ?? (hostHeadCommit !== undefined && hostHeadCommit !== headCommit);
}

function shortCommit(commit: string | undefined): string {
  return commit?.slice(0, 12) ?? 'no commit';
}
