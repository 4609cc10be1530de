import { isAppError, messageOf } from '../../../base/errors.ts';
import { guestToolingLog } from '../../../config/paths.ts';
import type { WaitForVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { PreparedWorkspace, WorkspaceTooling } from '../../../protocol/api/workspace.ts';
import type { ExecExit, ExecStart } from '../../../protocol/guest.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { type Span, spansOf } from '../../context/spans.ts';
import { formatElapsed } from '../../render/format.ts';
import { stillRunning } from '../../render/still-running.ts';
import { type GuestRun, statusOfExit } from '../../session/run-session.ts';
import { outcomeOf } from '../lifecycle/wait-request.ts';
import { startFolder } from '../start-folder.ts';
import { announceUntracked } from '../workspace/workspace-options.ts';
import { bootstrapNeeded, bootstrapTooling } from './bootstrap.ts';
import type { OutReport } from './bring-out.ts';
import { type DevcontainerRun, openForRun, prepareRun } from './devcontainer-run.ts';
import { ownProgram, runShellOrOwn } from './own-program.ts';
import { makeVm, type OwnedVm } from './own-vm.ts';
import type { RunPlan } from './plan.ts';
import { narrowedRequest, type RepositoryNetwork, tellRepositoryNetwork } from './repository-network.ts';
import { takeOut } from './take-out.ts';

/** Label of progress steps. */
const LABEL = 'vm run';

/** The login shell of the user; the agent sets `SHELL` from the guest's user database. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: the guest's shell expands it
const LOGIN_SHELL: [string, ...string[]] = ['sh', '-c', 'exec "${SHELL:-/bin/sh}" -l'];

/** What `vm run --json` prints. Fields are added, never changed. */
export interface RunReport {
  vm: Vm;
  /** absent with `--detach` */
  exit?: ExecExit;
  /**
   * also the exit status of banger: 128 + n for signal n; 1 with `--detach` when tools could not be installed
   */
  exitStatus: number;
  /** why tools could not be installed */
  toolingError?: string;
  /** with `--out`, when files were copied */
  out?: OutReport;
  /** why files could not be copied out; the VM stays then, also with `--rm` */
  outError?: string;
  /** duration of each part in `ms`; `totalMs` is up to the end of the command */
  timings: {
    createMs: number;
    workspaceMs?: number;
    toolingMs?: number;
    /** of `--wait-for-port` and `--wait-for-command` */
    waitMs?: number;
    commandMs?: number;
    totalMs: number;
  };
  /** what the repository's own file asks for; the VM's `network` is no wider */
  repositoryNetwork?: RepositoryNetwork;
  isDeleted: boolean;
  /** with `--timings`: all parts of the life of this process, including deleting the VM */
  spans?: Span[];
}

/**
 * Makes a VM, copies the workspace into it, runs the command, and returns its exit status. After a failure
 * before the command the VM stays, except with `--rm` or when creating it failed.
 */
export async function runVm(plan: RunPlan, context: CommandContext): Promise<number> {
  const begunAt = performance.now();
  const found = await openForRun(plan, context);
  const client = await context.client();
  const { workspace } = plan;
  // Refuses a path that is not a working tree before a VM exists; the rest of the packing happens while the
  // VM starts.
  await using pack = workspace && (await client.packWorkspace(workspace, { signal: context.signal }));
  const summary = pack?.value.summary;
  const tooling =
    summary &&
    bootstrapNeeded(summary, {
      hasNat: plan.request.nat ?? plan.request.network?.mode === 'user',
      isSkipped: plan.skipsBootstrap || found !== undefined,
    });
  const network = summary && tellRepositoryNetwork(summary.repoRoot, plan.request, context);
  if (workspace && summary) announceUntracked(summary, workspace, context);
  const devcontainer = found && (await prepareRun(found, { plan, client, context }));
  const request = devcontainer?.request ?? plan.request;
  const { owned, ...report } = await runInNewVm({
    plan: { ...plan, request: network ? narrowedRequest(request, network) : request },
    devcontainer,
    client,
    context,
    begunAt,
    tooling,
    packId: pack?.value.packId,
  });
  if (plan.isJson) {
    const spans = spansOf(context.spans, { isTimed: plan.isTimed });
    const asked = network ? { repositoryNetwork: network } : {};
    const { isDeleted } = owned;
    await context.printJson({ ...report, ...asked, isDeleted, ...spans } satisfies RunReport);
  } else if (plan.isDetached) {
    const { id, name } = owned.vm;
    const { web_url: webUrl } = await client.showVm(id, { signal: context.signal });
    await context.print(`vm ${name} running; reconnect with: banger vm ssh ${name}`);
    if (webUrl) context.notice(`its first web server will be at ${webUrl}`);
  }
  return report.exitStatus;
}

interface RunParts {
  plan: RunPlan;
  client: BangerClient;
  context: CommandContext;
  begunAt: number;
  devcontainer: DevcontainerRun | undefined;
  /** the tools to install */
  tooling: WorkspaceTooling | undefined;
  /** of the working tree */
  packId: string | undefined;
}

async function runInNewVm(parts: RunParts): Promise<Omit<RunReport, 'isDeleted'> & { owned: OwnedVm }> {
  const { plan, devcontainer, client, context, begunAt, tooling } = parts;
  // A base image has the working tree at another place.
  const packId = devcontainer ? undefined : parts.packId;
  await using owned = await makeVm(plan, { client, context, packId });
  const { vm } = owned;
  const madeAt = performance.now();
  context.progress.done(`[vm create] ready in ${context.errorStyle.dim(formatElapsed(madeAt - begunAt))}`);
  const hasCommand = plan.command !== undefined || plan.hasEntrypoint;
  const staysUnused = !plan.isRemoved && !hasCommand && !plan.isDetached;
  let isRunning = false;
  try {
    const prepared = await prepareWorkspace(vm, parts);
    const preparedAt = performance.now();
    const toolingError = prepared && tooling && (await installTools(vm, { prepared, tooling }, parts));
    const own = await devcontainer?.setUp(vm);
    const readyAt = performance.now();
    const failure = toolingError ? { toolingError } : {};
    const timings = {
      createMs: Math.round(madeAt - begunAt),
      ...(prepared ? { workspaceMs: Math.round(preparedAt - madeAt) } : {}),
      ...(tooling ? { toolingMs: Math.round(readyAt - preparedAt) } : {}),
    };
    if (plan.isDetached) {
      if (plan.wait) await waitForGuest(vm, plan.wait, { client, context });
      const waitedAt = performance.now();
      return {
        vm,
        // With `--detach` nobody may read the warning, so the exit status tells a script that the tools are
        // missing.
        exitStatus: toolingError ? 1 : 0,
        ...failure,
        timings: {
          ...timings,
          ...(plan.wait ? { waitMs: Math.round(waitedAt - readyAt) } : {}),
          totalMs: Math.round(waitedAt - begunAt),
        },
        owned,
      };
    }
    const cwd =
      plan.workdir ?? own?.cwd ?? (prepared && (await startFolderOf(vm, prepared, { client, context })));
    context.progress.step(LABEL, hasCommand ? 'running command in guest' : 'attaching to guest');
    isRunning = true;
    const run = guestRunOf({ ...plan, ...own, user: plan.user ?? own?.user }, { vm, cwd, context });
    const exit = await runShellOrOwn(client, { vm, run }, context);
    const endedAt = performance.now();
    const left = plan.out && (await takeOut(plan.out, { from: cwd ?? '/', exit, owned, client, context }));
    if (staysUnused) context.notice(stillRunning(vm));
    return {
      vm,
      exit,
      exitStatus: left?.exitStatus ?? statusOfExit(exit),
      ...failure,
      ...left?.report,
      timings: {
        ...timings,
        commandMs: Math.round(endedAt - readyAt),
        totalMs: Math.round(endedAt - begunAt),
      },
      owned,
    };
  } catch (error) {
    if (!plan.isRemoved && (!isRunning || !hasCommand)) context.notice(stillRunning(vm));
    throw error;
  }
}

async function prepareWorkspace(
  vm: Vm,
  { plan, devcontainer, client, context, packId }: Omit<RunParts, 'begunAt' | 'tooling'>,
): Promise<PreparedWorkspace | undefined> {
  if (!plan.workspace) return undefined;
  context.progress.step(LABEL, 'preparing guest workspace');
  await devcontainer?.makeRoom(vm);
  const place = devcontainer && { guestPath: devcontainer.guestPath };
  const request = { ...plan.workspace, ...place, ...(packId === undefined ? {} : { packId }) };
  const work = client.prepareWorkspace(vm.id, request, { signal: context.signal });
  return await context.follow(work, LABEL);
}

/**
 * Installs the tools that a working tree names: before a command starts, before `--detach` returns, or in the
 * background of a shell. A failure is only a warning, because the guest is useful without the tools; but it
 * changes the exit status of `--detach`. Returns the reason of a failure.
 */
async function installTools(
  vm: Vm,
  { prepared, tooling }: { prepared: PreparedWorkspace; tooling: WorkspaceTooling },
  { plan, client, context }: RunParts,
): Promise<string | undefined> {
  const isAwaited = plan.isDetached || plan.command !== undefined || plan.hasEntrypoint;
  const bootstrap = { tooling, guestPath: prepared.guestPath, logName: guestToolingLog(prepared.repoName) };
  const { signal, progress } = context;
  const onLine = (line: string): void => progress.step(LABEL, `installing tools: ${line}`);
  progress.step(LABEL, 'installing tools');
  try {
    await bootstrapTooling(client, vm.id, { bootstrap, isAwaited, onLine, signal });
    if (!isAwaited)
      context.notice(`tools are installed in the background; log in the guest: ~/${bootstrap.logName}`);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    const reason = messageOf(error);
    context.warn(`guest tooling bootstrap ${isAwaited ? 'failed' : 'start failed'}: ${reason}`);
    return reason;
  }
}

/** Waits until programs in a VM are ready. After a failure the VM stays, so that one can look why. */
async function waitForGuest(
  { id }: Vm,
  request: WaitForVmRequest,
  { client, context }: Pick<RunParts, 'client' | 'context'>,
): Promise<void> {
  context.progress.step(LABEL, `waiting until ${outcomeOf(request)}`);
  await context.follow(client.waitForVm(id, request, { signal: context.signal }), LABEL);
}

async function startFolderOf(
  { id }: Vm,
  { guestPath, repoRoot }: PreparedWorkspace,
  { client, context }: Pick<RunParts, 'client' | 'context'>,
): Promise<string> {
  return await startFolder(id, { guestPath, sourcePath: repoRoot }, { client, context });
}

function guestRunOf(
  plan: RunPlan,
  { vm, cwd, context }: { vm: Vm; cwd: string | undefined; context: CommandContext },
): GuestRun {
  // The working tree belongs to root, or to the user of the VM.
  const own = (plan.workspace || vm.user !== undefined ? undefined : vm.imageConfig) ?? {};
  const startsIn = cwd ?? own.workingDir;
  const user = plan.user ?? own.user;
  const start: ExecStart = {
    argv: plan.hasEntrypoint ? ownProgram(vm, plan.command) : (plan.command ?? LOGIN_SHELL),
    ...(Object.keys(plan.env).length > 0 ? { env: plan.env } : {}),
    ...(startsIn === undefined ? {} : { cwd: startsIn }),
    ...(user === undefined ? {} : { user }),
  };
  return {
    vmId: vm.id,
    start,
    isShell: !plan.command && !plan.hasEntrypoint,
    timeoutMs: plan.timeoutMs,
    ...(plan.isJson ? { stdoutTo: context.stderr, hasTerminal: false } : {}),
  };
}
