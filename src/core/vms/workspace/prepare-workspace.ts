import { AppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { formatSize } from '../../../base/text/size.ts';
import { plural } from '../../../base/text/words.ts';
import type { PreparedWorkspace, PrepareWorkspaceRequest } from '../../../protocol/api/workspace.ts';
import type { Task } from '../../../protocol/events.ts';
import type { PackedWorkspace, WorkspaceSource } from '../../ports/workspace.ts';
import { findRunningVm } from '../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';
import { switchBranch, trustTooling } from './workspace-in-guest.ts';

/** Where a working tree is copied by default. */
const DEFAULT_GUEST_PATH = '/root/repo';

/** What is copied, and where the work reports. */
export interface PrepareWorkspaceOptions extends Task {
  request: PrepareWorkspaceRequest;
  /** the working tree of `request`, when its packing has already begun; disposed of in any case */
  packedBefore?: (PackedWorkspace & AsyncDisposable) | undefined;
}

/**
 * Copies a git working tree into a running guest, creates the requested branch there, and records the
 * workspace. Files unpacked before a failure stay in the guest.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, WORKSPACE_*, GUEST_*; REQUEST_INVALID for a guest path
 * that is not absolute and clean.
 */
export async function prepareWorkspace(
  world: Pick<Vms, 'records' | 'live' | 'log'> & { workspaces: WorkspaceSource },
  ref: string,
  { request, packedBefore, report, signal }: PrepareWorkspaceOptions,
): Promise<PreparedWorkspace> {
  await using undo = new ResourceStack();
  const own = <T extends AsyncDisposable>(packed: T): T => {
    undo.defer('end the packing', async () => {
      await packed[Symbol.asyncDispose]();
    });
    return packed;
  };
  const packing = packedBefore && own(packedBefore);
  const record = findRunningVm(world.records, ref);
  const guestPath = request.guestPath ?? DEFAULT_GUEST_PATH;
  if (!/^\/[^\0]+$/.test(guestPath) || guestPath.split('/').includes('..')) {
    throw new AppError('REQUEST_INVALID', `Cannot use guestPath "${guestPath}": it is not an absolute path`, {
      hint: `for example ${DEFAULT_GUEST_PATH}`,
      details: { field: 'guestPath' },
    });
  }
  report({ event: 'progress', stage: 'workspace', detail: 'preparing guest workspace' });
  const agent = await world.live.agent(record.id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  const { path, guestPath: _, packId: __, ...content } = request;
  const packed = packing ?? own(await world.workspaces.pack(path, { ...content, signal }));
  const { bytes } = await agent.putTar(guestPath, packed.tar, { signal });
  await packed.done;
  const historyDepth = await packed.historyDepth;
  const { summary, branchStart } = packed;
  if (request.branch !== undefined) {
    await switchBranch(agent, guestPath, { branch: request.branch, branchStart, signal });
  }
  if (summary.tooling && summary.tooling.files.length > 0)
    await trustTooling(world, agent, { guestPath, signal });
  report({
    event: 'progress',
    stage: 'workspace',
    detail: `${plural(summary.trackedCount, 'file')}, ${formatSize(bytes)}`,
  });
  const workspace = {
    guestPath,
    sourcePath: summary.repoRoot,
    ...(summary.headCommit ? { headCommit: summary.headCommit } : {}),
  };
  const current = world.records.get(record.id);
  if (current) world.records.update({ ...current, workspace });
  return {
    ...summary,
    ...(historyDepth === undefined ? {} : { historyDepth }),
    ...(request.branch === undefined ? {} : { branch: request.branch }),
    guestPath,
    bytes,
  };
}
