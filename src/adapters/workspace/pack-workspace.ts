import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import { ResourceStack } from '../../base/resource-stack.ts';
import type { PackedWorkspace } from '../../core/ports/workspace.ts';
import { CUT_DEPTH, packHistory, planHistory, stageHistory } from './history.ts';
import { copyOperationState } from './operation-state.ts';
import { listStaged, refreshIndex } from './staged-repository.ts';
import { startTar } from './tar-stream.ts';
import { allEnded } from './task-group.ts';
import { listPresentFiles } from './tracked-files.ts';
import {
  countUntracked,
  describeRepository,
  type GitWorkspaceSourceOptions,
  listIndex,
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
  options: GitWorkspaceSourceOptions & Abortable,
): Promise<PackedWorkspace & AsyncDisposable> {
  await using undo = new ResourceStack();
  const work = await openWork(path, options);
  undo.defer('end the packing', async () => {
    await work[Symbol.asyncDispose]();
  });
  const { repository, staged, tasks, folder } = work;

  const untracked = tasks.start((task) => countUntracked(work, task));
  const history = tasks.start((task) => prepareHistory(work, { ...options, ...task }));
  const rootList = join(folder, 'tracked-files');
  const tracked = tasks.start((task) => listTracked(work, { ...task, rootList }));
  const gitFiles = tasks.start(async (task) => {
    await packHistory(staged, { ...task, plan: await history });
    // These rewrite the staged index: its lock is in the folder while they do, and gone when the archive would read it.
    await Promise.all([tracked, untracked]);
    return await listStaged(staged);
  });
  const counts = { trackedCount: await tracked, untrackedCount: await untracked };
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
    summary: { ...describeRepository(work), ...counts, ...(isCut ? { historyDepth: CUT_DEPTH } : {}) },
    tar: archive.tar,
    done,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function prepareHistory(
  { repository, staged }: WorkspaceWork,
  options: Abortable & { maxHistoryBytes?: number },
): ReturnType<typeof planHistory> {
  const { signal, maxHistoryBytes = DEFAULT_MAX_HISTORY_BYTES } = options;
  const mentioned = await copyOperationState(repository.gitDir, staged.gitDir, {
    isDetached: staged.head.ref === undefined,
  });
  const plan = await planHistory(repository, staged, { mentioned, maxHistoryBytes, signal });
  await stageHistory(staged, plan);
  return plan;
}

/** Writes the names of the files to send to `rootList` and gives the number of tracked ones, of which some may be deleted. */
async function listTracked(
  work: WorkspaceWork,
  { rootList, signal }: Abortable & { rootList: string },
): Promise<number> {
  const [listing] = await allEnded([listIndex(work, { signal }), refreshIndex(work.staged, { signal })]);
  const { root } = work.repository;
  await writeFile(rootList, await listPresentFiles(work.staged, { root, listing, signal }));
  return listing.paths.length;
}
