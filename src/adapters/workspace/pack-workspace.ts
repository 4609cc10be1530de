import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import { ResourceStack } from '../../base/resource-stack.ts';
import type { OpenedWorkspace, PackedWorkspace, WorkspaceContent } from '../../core/ports/workspace.ts';
import { CUT_DEPTH, packHistory, type planHistory } from './git/history.ts';
import { listStaged } from './git/staged-repository.ts';
import { prepareHistory, stageOperation } from './history-to-send.ts';
import { checkNewBranch } from './new-branch.ts';
import { factsOfIndex } from './sent/index-facts.ts';
import type { KeptChoice } from './sent/kept-facts.ts';
import { keepTree, keptDir } from './sent/kept-tree.ts';
import { objectFolders, type SentTree, stageSentTree } from './sent/stage-sent-tree.ts';
import { allUntracked, countOf, prefixed, trackedFiles, untrackedNames } from './sent-files.ts';
import { openSubmodules, prefixOf, type SentRepository, submoduleNames } from './submodules.ts';
import { requireTar, startTar, type TarStream } from './tar-stream.ts';
import { allEnded, type TaskGroup } from './task-group.ts';
import { findTooling } from './tooling.ts';
import {
  describeWorkspace,
  type GitWorkspaceSourceOptions,
  listIndex,
  openWork,
  textOf,
  type WorkspaceWork,
} from './workspace-work.ts';

/** What is asked for of a working tree, and how to read it. */
type PackOptions = GitWorkspaceSourceOptions & Abortable & WorkspaceContent;

/**
 * Opens the working tree that contains `path`: returns once nothing about the repository rules out that it is
 * sent. Leaves nothing after a failure.
 */
export async function openWorkspace(
  path: string,
  options: PackOptions,
): Promise<OpenedWorkspace & AsyncDisposable> {
  await using undo = new ResourceStack();
  const work = await openWork(path, options);
  undo.defer('end the packing', async () => {
    await work[Symbol.asyncDispose]();
  });
  const { repository, tasks } = work;

  const branchStart = await tasks.start((task) => checkNewBranch(work, { ...options, ...task }));
  const tooling = tasks.start(() => findTooling(repository.root));
  const ownUntracked = tasks.start((task) => untrackedNames(work, { ...options, ...task }));
  const tar = tasks.start((task) => requireTar(repository.root, { ...task, env: options.env }));
  const mentioned = tasks.start(() => stageOperation(work, { branchStart }));
  const top = { folders: [], work, listing: await tasks.start((task) => listIndex(work, task)) };
  const { signal } = tasks;
  const submodules = await openSubmodules(top, { ...options, signal, undo });
  const repositories = [top, ...submodules];
  const untracked = [
    await ownUntracked,
    ...(await tasks.start((task) => allUntracked(submodules, { ...options, ...task }))),
  ];
  await tar;
  const atLeast = await mentioned;
  const summary = describeWorkspace(work, {
    trackedCount: countOf(repositories),
    untrackedCount: untracked.reduce((sum, { count }) => sum + count, 0),
    tooling: await tooling,
    submodules: submoduleNames(submodules),
  });
  const about = { summary, ...(branchStart === undefined ? {} : { branchStart }) };
  const names = untracked.map((each) => each.names);
  const owned = undo.move();
  let packed: PackedWorkspace | undefined;
  return {
    ...about,
    pack: () => {
      if (packed) return packed;
      const history = tasks.start((task) =>
        prepareHistory(work, { ...options, ...task, mentioned: atLeast }),
      );
      const choice = keptChoice(path, options);
      const parts = { repositories, untracked: names, history, choice, summary };
      const archive = startArchive(work, { ...options, ...parts });
      owned.defer('close the stream', () => {
        archive.tar.destroy();
      });
      const historyDepth = history.then(({ cutAt }) => (cutAt.length > 0 ? CUT_DEPTH : undefined));
      historyDepth.catch(() => {});
      packed = { ...about, ...archive, historyDepth };
      return packed;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/**
 * Starts the archive of the working tree that contains `path`: tracked files first, then `.git`, so that
 * files are on their way while the objects are still being packed. Returns once nothing about the repository
 * rules it out; later failures come through the stream. Leaves nothing after a failure.
 */
export async function packWorkspace(
  path: string,
  options: PackOptions,
): Promise<PackedWorkspace & AsyncDisposable> {
  const opened = await openWorkspace(path, options);
  return { ...opened.pack(), [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

/** What decides which tree a request sends. */
export function keptChoice(
  path: string,
  { includeUntracked, mode, noSubmodules }: WorkspaceContent,
): KeptChoice {
  return {
    path,
    isWithUntracked: includeUntracked ?? false,
    isWhole: mode === 'full_copy',
    ...(noSubmodules ? { isWithoutSubmodules: true } : {}),
  };
}

/** The parts of the archive, still being determined. */
interface ArchiveParts {
  /** the first one is that which was asked for */
  repositories: readonly SentRepository[];
  /** names of each one's untracked files that are sent */
  untracked: readonly Buffer[];
  /** of the first */
  history: ReturnType<typeof planHistory>;
  choice: KeptChoice;
  summary: PackedWorkspace['summary'];
}

function startArchive(
  work: WorkspaceWork,
  { repositories, untracked, history, ...options }: GitWorkspaceSourceOptions & Abortable & ArchiveParts,
): Pick<PackedWorkspace, 'tar' | 'done' | 'keep'> {
  const { repository, tasks, folder, stage } = work;
  const rootList = join(folder, 'files-to-send');
  // One submodule after the other, beside the repository that they are in: each runs several programs.
  let before: Promise<unknown> = Promise.resolve();
  const staged = repositories.map((each, at) => {
    const names = untracked[at] ?? Buffer.alloc(0);
    const turn = at === 0 ? Promise.resolve() : before;
    const plan =
      at === 0 ? history : tasks.start((task) => historyAfter(turn, each, { ...options, ...task }));
    const started = startRepository(each, { ...options, tasks, turn, untracked: names, history: plan });
    if (at > 0) before = started.gitFiles.catch(() => {});
    return started;
  });
  const listed = tasks.start(async () => {
    await writeFile(rootList, Buffer.concat(await allEnded(staged.map(({ names }) => names))));
  });
  const gitFiles = tasks.start(async () => {
    const lists = await allEnded(staged.map((each) => each.gitFiles));
    // The repository itself is last: an interrupted copy has none.
    return [...lists.slice(1), ...lists.slice(0, 1)].join('');
  });
  const stageList = new PassThrough();
  const archive = tasks.start(async () => {
    await listed;
    return startTar(
      { root: repository.root, rootList, stage, stageList },
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
    const { summary, choice } = options;
    const names = new Set(submoduleNames(repositories));
    const commits: (string | undefined)[] = [];
    for (const {
      repository: { folders, work: own, listing },
      sent,
      history: plan,
    } of staged) {
      const tree = await sent;
      const keptIn = keptDir(dir, folders);
      const submodules = listing.gitlinks
        .map(textOf)
        .filter((name) => names.has([...folders, name].join('/')));
      const index = factsOfIndex(listing);
      const of = { repository: own.repository, staged: own.staged, index, plan: await plan, submodules };
      if (tree) await keepTree(keptIn, { ...of, sent: tree, choice, summary });
      else await rm(keptIn, { recursive: true, force: true });
      commits.push(tree?.commit);
    }
    return commits[0];
  };
  return { tar: Readable.from(contentOf(archive), { objectMode: false }), done, keep };
}

async function historyAfter(
  turn: Promise<unknown>,
  { work }: SentRepository,
  options: Abortable & { maxHistoryBytes?: number },
): ReturnType<typeof planHistory> {
  await turn;
  const mentioned = await stageOperation(work, { branchStart: undefined });
  return await prepareHistory(work, { ...options, mentioned });
}

/** A repository that is being staged. */
interface StartedRepository {
  repository: SentRepository;
  /** names of its files that are sent, below the top of the working tree, each ended by NUL */
  names: Promise<Buffer>;
  sent: Promise<SentTree | undefined>;
  history: ReturnType<typeof planHistory>;
  /** names of the entries of its staged `.git` */
  gitFiles: Promise<string>;
}

function startRepository(
  repository: SentRepository,
  options: {
    tasks: TaskGroup;
    turn: Promise<unknown>;
    untracked: Buffer;
    history: ReturnType<typeof planHistory>;
    noSubmodules?: boolean | undefined;
    log: GitWorkspaceSourceOptions['log'];
  },
): StartedRepository {
  const prefix = prefixOf(repository);
  const { work, listing } = repository;
  const { tasks, turn, untracked, history, noSubmodules, log } = options;
  const listed = tasks.start(async (task) => {
    await turn;
    return await trackedFiles(work, { ...task, listing, noSubmodules });
  });
  const names = listed.then(({ present }) => prefixed(Buffer.concat([present, untracked]), prefix));
  names.catch(() => {});
  const sent = tasks.start(async (task) =>
    stageSentTree(work, { ...task, ...(await listed), untracked, log }),
  );
  const gitFiles = tasks.start(async (task) => {
    // It comes after the listing, which rewrites the staged index: the archive must not see its lock file.
    const tree = await sent;
    const env = { GIT_ALTERNATE_OBJECT_DIRECTORIES: objectFolders(work, tree) };
    const own = tree ? { commit: tree.commit, env } : undefined;
    await packHistory(work.staged, { ...task, plan: await history, sent: own });
    return await listStaged(work.staged, prefix);
  });
  return { repository, names, sent, history, gitFiles };
}

/** The content of an archive that is being started. */
async function* contentOf(archive: Promise<TarStream>): AsyncGenerator<Buffer> {
  yield* (await archive).tar;
}
