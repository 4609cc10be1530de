import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { DeltaBase, PackedDelta, TreeLook, WorkspaceContent } from '../../../core/ports/workspace.ts';
import { nulList } from '../git/nul-list.ts';
import { DEFAULT_MAX_HISTORY_BYTES, stageOperation } from '../history-to-send.ts';
import { checkNewBranch } from '../new-branch.ts';
import { keptChoice } from '../pack-workspace.ts';
import { untrackedNames } from '../sent-files.ts';
import { initialised } from '../submodules.ts';
import { requireTar, startTar } from '../tar-stream.ts';
import { findTooling } from '../tooling.ts';
import {
  describeWorkspace,
  type GitWorkspaceSourceOptions,
  openWork,
  type WorkspaceWork,
} from '../workspace-work.ts';
import { applyFiles } from './apply-script.ts';
import { changedSince } from './changed-since.ts';
import { writeGitChanges } from './delta-git-files.ts';
import type { DeltaParts } from './delta-objects.ts';
import { treeChanges } from './delta-tree.ts';
import type { KeptChoice } from './kept-facts.ts';
import { type KeptTree, keepTree, readKept } from './kept-tree.ts';
import { lostPaths } from './lost-paths.ts';
import { isAtKept, treeSinceKept } from './tree-since-kept.ts';
import { type TreeToSend, wholeTree } from './tree-to-send.ts';

/** A delta to pack. */
type DeltaOptions = GitWorkspaceSourceOptions &
  Abortable &
  WorkspaceContent & { keptIn: string; base: Promise<DeltaBase | undefined>; look?: TreeLook };

/**
 * Packs what a guest lacks of the working tree that contains `path`: changed files, new objects, and what
 * else of `.git` differs, with the script that applies it (`apply-script.ts`). Leaves nothing after a
 * failure.
 */
export async function packDelta(
  path: string,
  options: DeltaOptions,
): Promise<(PackedDelta & AsyncDisposable) | undefined> {
  // Before git looks at any file.
  const sinceMs = Date.now();
  await using undo = new ResourceStack();
  const work = await openWork(path, options);
  undo.defer('end the packing', async () => {
    await work[Symbol.asyncDispose]();
  });
  const { repository, staged, tasks, folder } = work;
  const { noSubmodules } = options;
  const choice = keptChoice(path, options);
  const branchStart = await tasks.start((task) => checkNewBranch(work, { ...options, ...task }));
  const { look, includeUntracked } = options;
  const others =
    look && !includeUntracked
      ? Promise.resolve({ count: look.untrackedCount, names: Buffer.alloc(0) })
      : tasks.start((task) => untrackedNames(work, { ...options, ...task }));
  const tooling = tasks.start(() => findTooling(repository.root));
  const tarChecked = tasks.start((task) => requireTar(repository.root, { ...task, env: options.env }));
  const read = await readBoth(work, { ...options, choice, branchStart, others });
  if (!read) return undefined;
  const { base, kept, tree } = read;
  const listing = kept ? undefined : await tasks.start(async () => await base.listTree?.());
  const untracked = await others;
  await tarChecked;
  const { index, tracked, sent, plan } = tree;
  const parts: DeltaParts = {
    ...{ base, kept, sent, plan, entriesDigest: index.entriesDigest },
    ...(listing ? { listing } : {}),
  };
  const changes = await tasks.start((task) => treeChanges(work, { ...options, ...task, ...parts, tracked }));
  const submodules = noSubmodules ? [] : await initialised(repository, index.gitlinks);
  const meta = join(folder, 'delta', '.git');
  await mkdir(meta, { recursive: true });
  const filtered = new Set(tracked.filtered);
  const absent = new Set([...tracked.deleted, ...tracked.uncheckedAbsent]);
  const folders = index.gitlinks.filter((name) => !absent.has(name));
  const isFilteredChanged = changes.some((change) => filtered.has(change.path));
  const git = await tasks.start((task) =>
    writeGitChanges(work, { ...task, ...parts, meta, isFilteredChanged }),
  );
  for (const [name, content] of applyFiles(changes, git.files, { filtered, submodules: folders })) {
    await writeFile(join(meta, name), content, 'latin1');
  }
  if (base.alsoPaths) await writeFile(join(meta, 'discard'), '');
  const rootList = join(folder, 'files-to-send');
  const made = changes.filter(({ after }) => after).map(({ path: name }) => name);
  await writeFile(rootList, nulList([...folders, ...made]), 'latin1');
  const content = { root: repository.root, rootList, stage: join(folder, 'delta') };
  const { tar, done } = startTar(
    { ...content, stageList: Readable.from(['.git\0'], { objectMode: false }) },
    { ...options, signal: tasks.signal },
  );
  undo.defer('close the stream', () => {
    tar.destroy();
  });
  const summary = describeWorkspace(work, {
    trackedCount: index.count,
    untrackedCount: untracked.count,
    tooling: await tooling,
    submodules,
  });
  const owned = undo.move();
  return {
    summary,
    ...(branchStart === undefined ? {} : { branchStart }),
    // The commit of a submodule is part of the tree, without a file.
    isEmpty: changes.length === 0 && git.isSame && (folders.length === 0 || kept?.commit === sent.commit),
    ...(kept?.head.commit === undefined ? {} : { sentHead: kept.head.commit }),
    movedBranches: git.movedBranches,
    lostPaths: (printed) => lostPaths(printed, changes),
    changedMeanwhile: () => changedSince(repository.root, made, { sinceMs, signal: tasks.signal }),
    tar,
    done,
    keep: async (dir) => {
      await keepTree(dir, { repository, staged, sent, index, plan, choice, summary, submodules });
      return sent.commit;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/**
 * Reads the working tree while the guest is asked what it has: from the tree that was sent last, if it is
 * enough, and otherwise the whole one. Returns `undefined` when the guest has nothing.
 */
async function readBoth(
  work: WorkspaceWork,
  options: DeltaOptions & {
    choice: KeptChoice;
    branchStart: string | undefined;
    others: ReturnType<typeof untrackedNames>;
  },
): Promise<{ base: DeltaBase; kept: KeptTree | undefined; tree: TreeToSend } | undefined> {
  const { tasks } = work;
  const { keptIn, choice, branchStart, others, noSubmodules, look } = options;
  const { maxHistoryBytes = DEFAULT_MAX_HISTORY_BYTES } = options;
  const asked = tasks.start(() => options.base);
  const last = await tasks.start(() => readKept(keptIn));
  const mentioned = await tasks.start(() => stageOperation(work, { branchStart }));
  const untracked = others.then(({ names }) => names);
  untracked.catch(() => {});
  const whole = { mentioned, maxHistoryBytes, noSubmodules, untracked };
  const since =
    last &&
    (await tasks.start((task) => treeSinceKept(work, { ...task, kept: last, choice, mentioned, look })));
  const early = since ?? (await wholeTree(work, whole));
  const base = await asked;
  if (!base) return undefined;
  const tree = since && !isAtKept(last, base) ? await wholeTree(work, whole) : early;
  return { base, kept: last?.commit === base.sentCommit ? last : undefined, tree };
}
