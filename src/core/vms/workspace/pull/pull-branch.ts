import type { Abortable } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { PullBranchRequest, PulledBranch } from '../../../../protocol/api/workspace-pull.ts';
import type { Task } from '../../../../protocol/events.ts';
import type { GuestAgent } from '../../../ports/guest.ts';
import type { OpenBranchPull } from '../../../ports/workspace-pulls.ts';
import { findRunningVm } from '../../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../../guest/agent-deadlines.ts';
import { finishCopy } from '../finish-copy.ts';
import { commitsCommand, NO_NEW_COMMITS, NOT_SENT } from './pull-command.ts';
import { type PullWorld, workspaceOf } from './pull-workspace.ts';

/**
 * Makes a branch of the commits that were made in a running guest since its tree was sent, in the repository
 * that the tree is from. Its files, index and HEAD stay as they are, and so do its other refs.
 *
 * @throws {AppError} WORKSPACE_UNKNOWN, WORKSPACE_PULL_FAILED, WORKSPACE_PULL_NO_COMMITS,
 * WORKSPACE_BRANCH_INVALID, WORKSPACE_BRANCH_REFUSED when there is such a branch; VM_*, GUEST_*
 */
export async function pullBranch(
  world: PullWorld,
  ref: string,
  options: Task & { request: PullBranchRequest },
): Promise<PulledBranch> {
  const { id } = findRunningVm(world.records, ref);
  return await world.preparing.run(id, () => pullAlone(world, id, options), options);
}

async function pullAlone(
  world: PullWorld,
  id: string,
  { request: { name }, report, signal }: Task & { request: PullBranchRequest },
): Promise<PulledBranch> {
  await finishCopy(world, id, { signal });
  const record = findRunningVm(world.records, id);
  const { guestPath, sourcePath: root } = workspaceOf(record);
  await using undo = new ResourceStack();
  const pull = await world.pulls.openBranch(root, { name, signal });
  undo.defer('end the pull', async () => {
    await pull[Symbol.asyncDispose]();
  });
  report({ event: 'progress', stage: 'pull', detail: `reading the commits of ${guestPath}` });
  const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  await readCommits(agent, pull, { guestPath, signal });
  const landed = await pull.land({ signal });
  return { root, branch: name, ...landed };
}

async function readCommits(
  agent: GuestAgent,
  pull: OpenBranchPull,
  { guestPath, signal }: Abortable & { guestPath: string },
): Promise<void> {
  const { exit } = await agent.run(
    { argv: commitsCommand(guestPath), cwd: '/' },
    { signal, onOutput: (chunk) => pull.take(chunk) },
  );
  const status = 'code' in exit ? exit.code : undefined;
  if (status === 0) return;
  const failed = (code: string, why: string, hint?: string): AppError =>
    new AppError(code, `Cannot pull the commits of "${guestPath}": ${why}`, { hint, details: { guestPath } });
  if (status === NO_NEW_COMMITS) {
    throw failed(
      'WORKSPACE_PULL_NO_COMMITS',
      'none were made since it was copied',
      'without --branch, edits are pulled',
    );
  }
  const why = status === NOT_SENT ? 'no working tree was copied there' : 'git failed in the guest';
  throw failed('WORKSPACE_PULL_FAILED', why);
}
