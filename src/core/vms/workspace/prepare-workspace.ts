import type { Abortable } from '../../../base/abort.ts';
import type { KeyedMutex } from '../../../base/async.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { formatSize } from '../../../base/text/size.ts';
import { plural } from '../../../base/text/words.ts';
import type { PreparedWorkspace, PrepareWorkspaceRequest } from '../../../protocol/api/workspace.ts';
import type { Task } from '../../../protocol/events.ts';
import { ordinaryUser, workspaceOf } from '../../../protocol/guest-user.ts';
import type { VmWorkspace } from '../../../protocol/vm.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { SentComparison, TreeLook, WorkspaceSource } from '../../ports/workspace.ts';
import { findRunningVm } from '../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { VmHost, Vms } from '../world.ts';
import { finishCopy, noteCopying, noteEnded } from './finish-copy.ts';
import { copyFirst } from './first-copy.ts';
import { explainMissingProgram } from './missing-program.ts';
import { notedWorkspace } from './noted-workspace.ts';
import type { BeganWith, TreeOfNewVm } from './tree-of-new-vm.ts';
import { type UpdateResult, updateWorkspace } from './update-all.ts';
import type { UpdateRequest } from './update-workspace.ts';
import { switchBranch, trustForRoot, trustTooling } from './workspace-in-guest.ts';

/** What is copied, and where the work reports. */
export interface PrepareWorkspaceOptions extends Task {
  request: PrepareWorkspaceRequest;
  /** the working tree of `request`, opened before its VM existed; disposed of in any case */
  before?: OpenedBefore | undefined;
}

/** A working tree that was opened before its VM existed, and what the VM then began with. */
export interface OpenedBefore {
  tree: TreeOfNewVm;
  beganWith: BeganWith;
}

/** What preparing a workspace works on. */
export type WorkspaceWorld = Pick<Vms, 'records' | 'live' | 'log'> &
  Pick<VmHost, 'files'> & {
    workspaces: WorkspaceSource;
    /** one prepare at a time for each VM, by its id */
    preparing: KeyedMutex;
  };

/**
 * Copies a git working tree into a running guest, creates the requested branch there, and records the
 * workspace. A guest that has a copy gets only what differs from it ({@link updateWorkspace}); after a
 * failure it has the old tree, or nothing if it had none. Finishes the work of a copy that was killed.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, WORKSPACE_*, GUEST_* (GUEST_PROGRAM_MISSING when the image
 * has no shell or no git, and this needs one); REQUEST_INVALID for a guest path
 * that is not absolute and clean.
 */
export async function prepareWorkspace(
  world: WorkspaceWorld,
  ref: string,
  options: PrepareWorkspaceOptions,
): Promise<PreparedWorkspace> {
  await using undo = new ResourceStack();
  const { before } = options;
  if (before) {
    undo.defer('end the packing', async () => {
      await before.tree[Symbol.asyncDispose]();
    });
  }
  const { id } = findRunningVm(world.records, ref);
  return await world.preparing.run(id, () => prepareExplained(world, id, options), options);
}

async function prepareExplained(
  world: WorkspaceWorld,
  id: string,
  options: PrepareWorkspaceOptions,
): Promise<PreparedWorkspace> {
  try {
    return await prepareAlone(world, id, options);
  } catch (error) {
    const { signal } = options;
    signal.throwIfAborted();
    const openAgent = (): Promise<GuestAgent> =>
      world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
    const vmName = world.records.get(id)?.name ?? id;
    throw await explainMissingProgram(error, { openAgent, vmName, signal });
  }
}

async function prepareAlone(
  world: WorkspaceWorld,
  id: string,
  { request, before, report, signal }: PrepareWorkspaceOptions,
): Promise<PreparedWorkspace> {
  await using undo = new ResourceStack();
  const own = <T extends AsyncDisposable>(packed: T): T => {
    undo.defer('end the packing', async () => {
      await packed[Symbol.asyncDispose]();
    });
    return packed;
  };
  const { user } = findRunningVm(world.records, id);
  const guestPath = request.guestPath ?? workspaceOf(user);
  requireGuestPath(guestPath);
  await finishCopy(world, id, { signal });
  const record = findRunningVm(world.records, id);
  report({ event: 'progress', stage: 'workspace', detail: 'preparing guest workspace' });
  const { path, guestPath: _, packId: __, discardGuest = false, ...content } = request;
  const { sentTreeDir: keptIn } = world.files.folders(id);
  const last = record.workspace?.guestPath === guestPath ? record.workspace : undefined;
  let look: TreeLook | undefined;
  if (last?.sentCommit !== undefined && !discardGuest && !record.copying) {
    const { summary: same, look: found } = await compare(world.workspaces, {
      request,
      last,
      before,
      keptIn,
      signal,
    });
    if (same) {
      if (last.isFromBase) await finishFromBase(world, id, { guestPath, tooling: same.tooling, signal });
      report({ event: 'progress', stage: 'workspace', detail: 'nothing has changed' });
      return { ...same, guestPath, bytes: 0 };
    }
    look = found;
  }
  const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  const update =
    last || (await hasFolder(agent, guestPath, { signal }))
      ? await updateOrRefuse(world, id, {
          ...{ agent, vmName: record.name, path, guestPath, content, keptIn, signal },
          isDiscarding: discardGuest,
          ...(look ? { look } : {}),
        })
      : undefined;
  if (update) own(update);
  const packed =
    update?.packed ??
    (await before?.tree.pack({ signal })) ??
    own(await world.workspaces.pack(path, { ...content, signal }));
  // The first copy takes its time in the guest; meanwhile the host notes what it sends.
  if (!update) noteCopying(world, id, { guestPath, isFirst: true });
  const noted = update ? undefined : packed.keep(keptIn);
  noted?.catch(() => {});
  undo.defer('end the note', async () => {
    await noted?.catch(() => {});
  });
  const bytes = update?.bytes ?? (await copyFirst(agent, guestPath, { packed, signal }));
  if (ordinaryUser(user) !== undefined && guestPath !== workspaceOf(user)) {
    await trustForRoot(agent, guestPath, { signal });
  }
  const historyDepth = 'historyDepth' in packed ? await packed.historyDepth : undefined;
  const { branchStart } = packed;
  const { summary } = update ?? packed;
  const sentCommit = await (update ? update.keep() : noted);
  if (request.branch !== undefined) {
    const isTreeStored = sentCommit !== undefined;
    await switchBranch(agent, guestPath, { branch: request.branch, branchStart, isTreeStored, signal });
  }
  if (summary.tooling && summary.tooling.files.length > 0)
    await trustTooling(world, agent, { guestPath, signal });
  report({
    event: 'progress',
    stage: 'workspace',
    detail: `${plural(summary.trackedCount, 'file')}, ${formatSize(bytes)}`,
  });
  const { repoRoot, headCommit } = summary;
  const workspace = notedWorkspace({ guestPath, repoRoot, headCommit, sentCommit }, content);
  const current = world.records.get(id);
  if (current) {
    const { copying: ___, ...ended } = current;
    world.records.update({ ...ended, workspace } satisfies VmRecord);
  }
  return {
    ...summary,
    ...(historyDepth === undefined ? {} : { historyDepth }),
    ...(request.branch === undefined ? {} : { branch: request.branch }),
    guestPath,
    bytes,
  };
}

/** Compares the working tree with the one that the guest was sent last. */
async function compare(
  workspaces: WorkspaceSource,
  {
    request: { guestPath: _, packId: __, discardGuest: ___, ...choice },
    last: { sentCommit, isFromBase = false },
    before,
    keptIn,
    signal,
  }: Abortable & {
    request: PrepareWorkspaceRequest;
    last: VmWorkspace;
    before: OpenedBefore | undefined;
    keptIn: string;
  },
): Promise<SentComparison> {
  if (before && isFromBase && choice.branch === undefined) {
    if (before.beganWith === 'same tree') return { summary: before.tree.summary };
    if (before.beganWith === 'older tree') return {};
  }
  return await workspaces.compareWithSent(keptIn, { ...choice, sentCommit, signal });
}

/** {@link updateWorkspace}, noted in the record from the first change in the guest on. */
async function updateOrRefuse(
  world: WorkspaceWorld,
  id: string,
  { agent, ...request }: UpdateRequest & { agent: GuestAgent },
): Promise<UpdateResult | undefined> {
  const onChange = (): void => noteCopying(world, id, { guestPath: request.guestPath });
  try {
    return await updateWorkspace(world.workspaces, agent, { ...request, onChange });
  } catch (error) {
    if (isAppError(error, 'WORKSPACE_GUEST_CHANGED')) noteEnded(world, id);
    throw error;
  }
}

/** What a first copy does in the guest, after the VM has begun with the tree on its disk. */
async function finishFromBase(
  world: WorkspaceWorld,
  id: string,
  {
    guestPath,
    tooling,
    signal,
  }: Abortable & { guestPath: string; tooling: PreparedWorkspace['tooling'] | undefined },
): Promise<void> {
  if (tooling && tooling.files.length > 0) {
    const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
    await trustTooling(world, agent, { guestPath, signal });
  }
  const current = world.records.get(id);
  if (!current?.workspace) return;
  const { isFromBase: _, ...workspace } = current.workspace;
  world.records.update({ ...current, workspace });
}

function requireGuestPath(guestPath: string): void {
  if (/^\/[^\0]+$/.test(guestPath) && !guestPath.split('/').includes('..')) return;
  throw new AppError('REQUEST_INVALID', `Cannot use guestPath "${guestPath}": it is not an absolute path`, {
    hint: `for example ${workspaceOf(undefined)}`,
    details: { field: 'guestPath' },
  });
}

/** Whether the guest has anything at a path; most often a new VM has not. */
async function hasFolder(
  agent: GuestAgent,
  guestPath: string,
  { signal }: { signal: AbortSignal },
): Promise<boolean> {
  try {
    await agent.stat(guestPath, { signal });
    return true;
  } catch (error) {
    if (isAppError(error, 'GUEST_FAILED') && error.details?.['guestCode'] === 'not_found') return false;
    throw error;
  }
}
