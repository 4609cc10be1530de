import type { Abortable } from '../../../../base/abort.ts';
import type { KeyedMutex } from '../../../../base/async.ts';
import { AppError, isAppError } from '../../../../base/errors.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import { plural, quoteSome } from '../../../../base/text/words.ts';
import type {
  PulledWorkspace,
  PullWorkspaceRequest,
  UndonePull,
} from '../../../../protocol/api/workspace-pull.ts';
import type { Task } from '../../../../protocol/events.ts';
import type { VmWorkspace } from '../../../../protocol/vm.ts';
import { STATE_NO_FOLDER, STATE_NO_REPOSITORY } from '../../../../protocol/workspace-state.ts';
import type { GuestAgent } from '../../../ports/guest.ts';
import type { VmRecord } from '../../../ports/records.ts';
import type { OpenPull, PullPlan, WorkspacePulls } from '../../../ports/workspace-pulls.ts';
import { findRunningVm, findVm } from '../../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../../guest/agent-deadlines.ts';
import type { VmHost, Vms } from '../../world.ts';
import { finishCopy } from '../finish-copy.ts';
import { forgetPulledCommand, NOT_SENT, notePulledCommand, pullCommand } from './pull-command.ts';

/** What a pull works on. */
export type PullWorld = Pick<Vms, 'records' | 'live' | 'log'> &
  Pick<VmHost, 'files'> & {
    pulls: WorkspacePulls;
    /** no copy into the VM during a pull from it */
    preparing: KeyedMutex;
  };

/** Permission bits that new files do not get when the client says nothing. */
const USUAL_UMASK = 0o022;

/**
 * Merges what a running guest has changed into the working tree that was copied into it, or says what that
 * would do. All or nothing: after a failure or a conflict, the working tree is as it was.
 *
 * With `choices`, only what they name of it. Conflicts and refused files that are not among them are none of
 * its concern.
 *
 * @throws {AppError} WORKSPACE_UNKNOWN, WORKSPACE_PULL_* (CONFLICT, REFUSED, STALE with `details.paths`),
 * REQUEST_INVALID, VM_*, GUEST_*
 */
export async function pullWorkspace(
  world: PullWorld,
  ref: string,
  options: Task & { request: PullWorkspaceRequest },
): Promise<PulledWorkspace> {
  const { id } = findRunningVm(world.records, ref);
  return await world.preparing.run(id, () => pullAlone(world, id, options), options);
}

async function pullAlone(
  world: PullWorld,
  id: string,
  { request, report, signal }: Task & { request: PullWorkspaceRequest },
): Promise<PulledWorkspace> {
  await finishCopy(world, id, { signal });
  const record = findRunningVm(world.records, id);
  const { guestPath, sourcePath: root, sentCommit } = workspaceOf(record);
  if (sentCommit === undefined) throw noTree(record);
  await using undo = new ResourceStack();
  report({ event: 'progress', stage: 'pull', detail: `comparing ${guestPath}` });
  const { sentTreeDir: keptIn, pulledDir: pulledIn } = world.files.folders(id);
  const { conflicts, umask = USUAL_UMASK } = request;
  const choice = { root, sentCommit, keptIn, pulledIn, umask, writesMarkers: conflicts === 'markers' };
  const pull = await world.pulls.open(choice, { signal });
  undo.defer('end the pull', async () => {
    await pull[Symbol.asyncDispose]();
  });
  const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  await readGuest(agent, pull, { guestPath, signal });
  const whole = await pull.plan({ signal });
  const { isAll, ...plan } = request.choices
    ? await pull.choose(request.choices, { signal })
    : { ...whole, isAll: true };
  const shown = { root, guestPath, ...plan };
  if (request.dryRun) {
    const files = request.hunks ? { files: await pull.files({ signal }) } : {};
    return { ...shown, isApplied: false, ...files };
  }
  requireApplicable(plan, { root, vmName: record.name, request });
  const isApplied = plan.paths.length > 0;
  if (isApplied) {
    report({ event: 'progress', stage: 'pull', detail: `writing ${plural(plan.paths.length, 'file')}` });
    await pull.apply({ signal });
  }
  const isWhole = isAll && plan.skipped.length === 0 && plan.conflicts.length === 0;
  if (isWhole) await notePulled(agent, guestPath, { signal });
  return { ...shown, isApplied };
}

/**
 * Takes back the last pull into the working tree that was copied into a VM. First the guest forgets that the
 * host has its changes: a copy would overwrite them. So a VM that can be started must run.
 *
 * @throws {AppError} WORKSPACE_UNKNOWN, WORKSPACE_PULL_NONE, WORKSPACE_PULL_STALE, WORKSPACE_PULL_FAILED,
 * VM_NOT_FOUND, VM_NOT_RUNNING, GUEST_*
 */
export async function undoPull(
  world: Pick<PullWorld, 'records' | 'live' | 'pulls'>,
  ref: string,
  { signal }: Abortable,
): Promise<UndonePull> {
  const record = findVm(world.records, ref);
  const { sourcePath: root, guestPath } = workspaceOf(record);
  if (record.state !== 'error') await forgetPulled(world, record, { guestPath, signal });
  return { root, paths: await world.pulls.undo(root, { signal }) };
}

async function forgetPulled(
  world: Pick<PullWorld, 'records' | 'live'>,
  { name, id }: VmRecord,
  { guestPath, signal }: Abortable & { guestPath: string },
): Promise<void> {
  findRunningVm(world.records, name);
  const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  const { exit } = await agent.run({ argv: forgetPulledCommand(guestPath), cwd: '/' }, { signal });
  if ('code' in exit && exit.code === 0) return;
  throw new AppError(
    'WORKSPACE_PULL_FAILED',
    `Cannot undo the pull from "${guestPath}" of vm "${name}": it is not in a git repository any more`,
    { hint: 'nothing was changed' },
  );
}

async function readGuest(
  agent: GuestAgent,
  pull: OpenPull,
  { guestPath, signal }: Abortable & { guestPath: string },
): Promise<void> {
  const { exit } = await agent.run(
    { argv: pullCommand(guestPath), cwd: '/' },
    { signal, input: pull.wanted, onOutput: (chunk) => pull.take(chunk) },
  );
  const status = 'code' in exit ? exit.code : undefined;
  if (status === 0) return;
  const whys: Readonly<Record<number, string>> = {
    [STATE_NO_FOLDER]: 'there is no such folder',
    [STATE_NO_REPOSITORY]: 'it is not in a git repository',
    [NOT_SENT]: 'no working tree was copied there',
  };
  const why = (status === undefined ? undefined : whys[status]) ?? 'git failed in the guest';
  throw new AppError('WORKSPACE_PULL_FAILED', `Cannot pull "${guestPath}" of the guest: ${why}`, {
    details: { guestPath },
  });
}

function requireApplicable(
  { conflicts, refused, digest }: PullPlan,
  {
    root,
    vmName,
    request: { expected, conflicts: how, choices },
  }: { root: string; vmName: string; request: PullWorkspaceRequest },
): void {
  if (refused.length > 0) {
    throw new AppError(
      'WORKSPACE_PULL_REFUSED',
      `Cannot pull into "${root}": ${plural(refused.length, 'file')} of the VM must not be written here: ${named(refused)}`,
      {
        hint: `nothing was changed; leave these out: banger vm workspace diff ${vmName} PATH... | git apply`,
        details: { paths: refused.map(({ path }) => path), reasons: refused.map(({ reason }) => reason) },
      },
    );
  }
  if (conflicts.length > 0 && how !== 'markers') {
    throw new AppError(
      'WORKSPACE_PULL_CONFLICT',
      `Cannot pull into "${root}": ${plural(conflicts.length, 'file')} cannot be merged: ${named(conflicts)}`,
      {
        hint: choices
          ? 'nothing was changed; what is in the way must be chosen too'
          : 'nothing was changed; --conflicts markers writes both versions into text files',
        details: { paths: conflicts.map(({ path }) => path), reasons: conflicts.map(({ reason }) => reason) },
      },
    );
  }
  if (expected === undefined || expected === digest) return;
  throw new AppError(
    'WORKSPACE_PULL_STALE',
    `Cannot pull into "${root}": it would now change something else`,
    {
      hint: 'nothing was changed; pull again',
    },
  );
}

/** Most paths that a message names; the details have all. */
const NAMED_PATHS = 10;

function named(files: readonly { path: string }[]): string {
  return quoteSome(
    files.map(({ path }) => path),
    NAMED_PATHS,
  );
}

/** Best effort: without the note the guest counts as changed. */
async function notePulled(agent: GuestAgent, guestPath: string, { signal }: Abortable): Promise<void> {
  try {
    await agent.run({ argv: notePulledCommand(guestPath), cwd: '/' }, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
  }
}

/** The working tree that was copied into a VM. @throws {AppError} WORKSPACE_UNKNOWN */
export function workspaceOf({ name, workspace }: VmRecord): VmWorkspace {
  if (workspace) return workspace;
  throw new AppError('WORKSPACE_UNKNOWN', `Cannot pull from "${name}": no working tree was copied into it`, {
    hint: `banger vm workspace export ${name} --guest-path /root/repo prints changes of another repository`,
  });
}

function noTree({ name }: VmRecord): AppError {
  return new AppError(
    'WORKSPACE_PULL_BASE_UNKNOWN',
    `Cannot pull from "${name}": git could not store the tree that was copied into it`,
    { hint: `banger vm workspace export ${name}` },
  );
}
