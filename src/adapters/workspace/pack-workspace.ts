import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import { ResourceStack } from '../../base/resource-stack.ts';
import type { PackedWorkspace, WorkspaceContent } from '../../core/ports/workspace.ts';
import { CUT_DEPTH, packHistory, planHistory, stageHistory } from './git/history.ts';
import type { IndexListing } from './git/index-listing.ts';
import { copyOperationState } from './git/operation-state.ts';
import { listStaged, refreshIndex } from './git/staged-repository.ts';
import { listPresentFiles, listPresentUntracked, type TrackedFiles } from './git/tracked-files.ts';
import { checkNewBranch } from './new-branch.ts';
import { type KeptChoice, keepTree } from './sent/kept-tree.ts';
import { objectFolders, stageSentTree } from './sent/stage-sent-tree.ts';
import { requireTar, startTar, type TarStream } from './tar-stream.ts';
import { findTooling } from './tooling.ts';
import {
  countUntracked,
  describeWorkspace,
  type GitWorkspaceSourceOptions,
  listIndex,
  listUntracked,
  openWork,
  type WorkspaceWork,
} from './workspace-work.ts';

/** `bytes` of the largest history that is sent whole, unless all of it is asked for. */
export const DEFAULT_MAX_HISTORY_BYTES = 512 * 1024 * 1024;

/**
 * Starts the archive of the working tree that contains `path`: tracked files first, then `.git`, so that
 * files are on their way while the objects are still being packed. Returns once nothing about the repository
 * rules it out; later failures come through the stream. Leaves nothing after a failure.
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
  const { repository, tasks } = work;

  const branchStart = await tasks.start((task) => checkNewBranch(work, { ...options, ...task }));
  const [listing, untracked, tooling] = await Promise.all([
    tasks.start((task) => listIndex(work, task)),
    tasks.start((task) => untrackedNames(work, { ...options, ...task })),
    tasks.start(() => findTooling(repository.root)),
    tasks.start((task) => requireTar(repository.root, { ...task, env: options.env })),
  ]);

  const history = tasks.start((task) => prepareHistory(work, { ...options, ...task, branchStart }));
  const summary = describeWorkspace(work, {
    trackedCount: listing.paths.length,
    untrackedCount: untracked.count,
    tooling,
  });
  const choice = keptChoice(path, options);
  const parts = { listing, untracked: untracked.names, history, choice, summary };
  const archive = startArchive(work, { ...options, ...parts });
  undo.defer('close the stream', () => {
    archive.tar.destroy();
  });
  const historyDepth = history.then(({ cutAt }) => (cutAt.length > 0 ? CUT_DEPTH : undefined));
  historyDepth.catch(() => {});
  const owned = undo.move();
  return {
    summary,
    ...(branchStart === undefined ? {} : { branchStart }),
    ...archive,
    historyDepth,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** What decides which tree a request sends. */
export function keptChoice(path: string, { includeUntracked, mode }: WorkspaceContent): KeptChoice {
  return { path, isWithUntracked: includeUntracked ?? false, isWhole: mode === 'full_copy' };
}

/** The parts of the archive, still being determined. */
interface ArchiveParts {
  listing: IndexListing;
  untracked: Buffer;
  history: ReturnType<typeof planHistory>;
  choice: KeptChoice;
  summary: PackedWorkspace['summary'];
}

function startArchive(
  work: WorkspaceWork,
  { listing, untracked, history, ...options }: GitWorkspaceSourceOptions & Abortable & ArchiveParts,
): Pick<PackedWorkspace, 'tar' | 'done' | 'keep'> {
  const { repository, staged, tasks, folder } = work;
  const rootList = join(folder, 'files-to-send');
  const listed = tasks.start(async (task) => {
    const tracked = await trackedFiles(work, { ...task, listing });
    await writeFile(rootList, Buffer.concat([tracked.present, untracked]));
    return tracked;
  });
  const sent = tasks.start(async (task) =>
    stageSentTree(work, { ...task, ...(await listed), untracked, log: options.log }),
  );
  const gitFiles = tasks.start(async (task) => {
    // It comes after the listing, which rewrites the staged index: the archive must not see its lock file.
    const tree = await sent;
    const env = { GIT_ALTERNATE_OBJECT_DIRECTORIES: objectFolders(work, tree) };
    const own = tree ? { commit: tree.commit, env } : undefined;
    await packHistory(staged, { ...task, plan: await history, sent: own });
    return await listStaged(staged);
  });
  const stageList = new PassThrough();
  const archive = tasks.start(async () => {
    await listed;
    return startTar(
      { root: repository.root, rootList, stage: folder, stageList },
      { ...options, signal: tasks.signal },
    );
  });
  const read = tasks.start(async () => await (await archive).done);
  const fed = tasks.start(async () => {
    stageList.end(await gitFiles);
  });
  const done = Promise.all([fed, read]).then(() => {});
  done.catch(() => {});
  const keep: PackedWorkspace['keep'] = async (dir) => {
    const tree = await sent;
    const { summary, choice } = options;
    if (tree) {
      await keepTree(dir, { repository, staged, sent: tree, listing, plan: await history, choice, summary });
    } else await rm(dir, { recursive: true, force: true });
    return tree?.commit;
  };
  return { tar: Readable.from(contentOf(archive), { objectMode: false }), done, keep };
}

/** The content of an archive that is being started. */
async function* contentOf(archive: Promise<TarStream>): AsyncGenerator<Buffer> {
  yield* (await archive).tar;
}

/** Plans the history to send, and stages its refs, and the state of an unfinished operation. */
export async function prepareHistory(
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

/**
 * The tracked files to send, each name ended by NUL, and the number of all tracked files, some of which may
 * be deleted.
 */
export async function listTracked(
  work: WorkspaceWork,
  { signal }: Abortable,
): Promise<{ count: number; names: Buffer }> {
  const listing = await listIndex(work, { signal });
  return { count: listing.paths.length, names: (await trackedFiles(work, { listing, signal })).present };
}

/** Refreshes the staged index and looks up its files. */
export async function trackedFiles(
  { repository: { root }, staged }: WorkspaceWork,
  { listing, signal }: Abortable & { listing: IndexListing },
): Promise<TrackedFiles> {
  await refreshIndex(staged, { signal });
  return await listPresentFiles(staged, { root, listing, signal });
}

/** The untracked files to send (none unless requested), and how many there are. */
export async function untrackedNames(
  work: WorkspaceWork,
  { includeUntracked, signal }: Abortable & WorkspaceContent,
): Promise<{ count: number; names: Buffer }> {
  if (!includeUntracked) return { count: await countUntracked(work, { signal }), names: Buffer.alloc(0) };
  const paths = await listUntracked(work, { signal });
  const { root } = work.repository;
  return { count: paths.length, names: await listPresentUntracked(paths, { root, signal }) };
}
