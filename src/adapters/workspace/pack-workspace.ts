import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import { ResourceStack } from '../../base/resource-stack.ts';
import type { PackedWorkspace, WorkspaceContent } from '../../core/ports/workspace.ts';
import { CUT_DEPTH, packHistory, planHistory, stageHistory } from './history.ts';
import { checkNewBranch } from './new-branch.ts';
import { copyOperationState } from './operation-state.ts';
import { listStaged, refreshIndex } from './staged-repository.ts';
import { startTar } from './tar-stream.ts';
import { allEnded } from './task-group.ts';
import { findTooling } from './tooling.ts';
import { listPresentFiles, listPresentUntracked } from './tracked-files.ts';
import {
  countUntracked,
  describeRepository,
  type GitWorkspaceSourceOptions,
  listIndex,
  listUntracked,
  openWork,
  type WorkspaceWork,
} from './workspace-work.ts';

const DEFAULT_MAX_HISTORY_BYTES = 512 * 1024 * 1024;

/**
 * Starts the archive of the working tree that `path` is in: tracked files first, then `.git`, so that files are on their way while the
 * objects are still being packed. Nothing is left after a failure.
 */
export async function packWorkspace(
  path: string,
  options: GitWorkspaceSourceOptions & Abortable & WorkspaceContent,
): Promise<PackedWorkspace & AsyncDisposable> {
  await using undo = new ResourceStack();
  const work = await openWork(path, options);
  undo.defer('end the packing', async () => {
    await work[Symbol.asyncDispose]();
  });
  const { repository, staged, tasks, folder } = work;

  const branchStart = await tasks.start((task) => checkNewBranch(work, { ...options, ...task }));
  const untracked = tasks.start((task) => untrackedNames(work, { ...options, ...task }));
  const history = tasks.start((task) => prepareHistory(work, { ...options, ...task, branchStart }));
  const rootList = join(folder, 'files-to-send');
  const tracked = tasks.start(async (task) => {
    const { count, names } = await listTracked(work, task);
    await writeFile(rootList, Buffer.concat([names, (await untracked).names]));
    return count;
  });
  const gitFiles = tasks.start(async (task) => {
    await packHistory(staged, { ...task, plan: await history });
    // These rewrite the staged index: its lock is in the folder while they do, and gone when the archive would read it.
    await Promise.all([tracked, untracked]);
    return await listStaged(staged);
  });
  const tooling = await tasks.start(() => findTooling(repository.root));
  const counts = { trackedCount: await tracked, untrackedCount: (await untracked).count };
  const isCut = (await history).cutAt.length > 0;

  const stageList = new PassThrough();
  const archive = startTar(
    { root: repository.root, rootList, stage: folder, stageList },
    { ...options, signal: tasks.signal },
  );
  const read = tasks.start(() => archive.done);
  const fed = tasks.start(async () => {
    stageList.end(await gitFiles);
  });
  const done = Promise.all([fed, read]).then(() => {});
  done.catch(() => {});
  undo.defer('close the stream', () => {
    archive.tar.destroy();
  });
  const owned = undo.move();
  return {
    summary: {
      ...describeRepository(work),
      ...counts,
      ...(isCut ? { historyDepth: CUT_DEPTH } : {}),
      ...(tooling ? { tooling } : {}),
    },
    ...(branchStart === undefined ? {} : { branchStart }),
    tar: archive.tar,
    done,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function prepareHistory(
  { repository, staged }: WorkspaceWork,
  options: Abortable & { maxHistoryBytes?: number; branchStart: string | undefined },
): ReturnType<typeof planHistory> {
  const { signal, maxHistoryBytes = DEFAULT_MAX_HISTORY_BYTES, branchStart } = options;
  const mentioned = await copyOperationState(repository.gitDir, staged.gitDir, {
    isDetached: staged.head.ref === undefined,
  });
  if (branchStart !== undefined) mentioned.push(branchStart);
  const plan = await planHistory(repository, staged, { mentioned, maxHistoryBytes, signal });
  await stageHistory(staged, plan);
  return plan;
}

/** The tracked files to send, each name ended by NUL, and the number of tracked ones, of which some may be deleted. */
export async function listTracked(
  work: WorkspaceWork,
  { signal }: Abortable,
): Promise<{ count: number; names: Buffer }> {
  const [listing] = await allEnded([listIndex(work, { signal }), refreshIndex(work.staged, { signal })]);
  const { root } = work.repository;
  const names = await listPresentFiles(work.staged, { root, listing, signal });
  return { count: listing.paths.length, names };
}

/** The untracked files to send, none unless they were asked for, and how many there are. */
export async function untrackedNames(
  work: WorkspaceWork,
  { includeUntracked, signal }: Abortable & WorkspaceContent,
): Promise<{ count: number; names: Buffer }> {
  if (!includeUntracked) return { count: await countUntracked(work, { signal }), names: Buffer.alloc(0) };
  const paths = await listUntracked(work, { signal });
  const { root } = work.repository;
  return { count: paths.length, names: await listPresentUntracked(paths, { root, signal }) };
}
