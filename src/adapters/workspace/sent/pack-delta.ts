import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { DeltaBase, PackedDelta, WorkspaceContent } from '../../../core/ports/workspace.ts';
import { nulList } from '../git/nul-list.ts';
import { checkNewBranch } from '../new-branch.ts';
import { DEFAULT_MAX_HISTORY_BYTES, keptChoice, prepareHistory } from '../pack-workspace.ts';
import { trackedFiles, untrackedNames } from '../sent-files.ts';
import { initialised } from '../submodules.ts';
import { requireTar, startTar } from '../tar-stream.ts';
import { findTooling } from '../tooling.ts';
import { describeWorkspace, type GitWorkspaceSourceOptions, listIndex, openWork } from '../workspace-work.ts';
import { applyFiles } from './apply-script.ts';
import { writeGitChanges } from './delta-git-files.ts';
import type { DeltaParts } from './delta-objects.ts';
import { treeChanges } from './delta-tree.ts';
import { keepTree, readKeptOf } from './kept-tree.ts';
import { lostPaths } from './lost-paths.ts';
import { stageSentTreeOrThrow } from './stage-sent-tree.ts';

/**
 * Packs what a guest lacks of the working tree that contains `path`: changed files, new objects, and what
 * else of `.git` differs, with the script that applies it (`apply-script.ts`). Leaves nothing after a
 * failure.
 */
export async function packDelta(
  path: string,
  options: GitWorkspaceSourceOptions &
    Abortable &
    WorkspaceContent & { base: Promise<DeltaBase | undefined> },
): Promise<(PackedDelta & AsyncDisposable) | undefined> {
  await using undo = new ResourceStack();
  const work = await openWork(path, options);
  undo.defer('end the packing', async () => {
    await work[Symbol.asyncDispose]();
  });
  const { repository, staged, tasks, folder } = work;
  const asked = tasks.start(() => options.base);
  const branchStart = await tasks.start((task) => checkNewBranch(work, { ...options, ...task }));
  const { maxHistoryBytes = DEFAULT_MAX_HISTORY_BYTES } = options;
  const history = tasks.start((task) => prepareHistory(work, { ...task, maxHistoryBytes, branchStart }));
  const [listing, untracked, tooling] = await Promise.all([
    tasks.start((task) => listIndex(work, task)),
    tasks.start((task) => untrackedNames(work, { ...options, ...task })),
    tasks.start(() => findTooling(repository.root)),
    tasks.start((task) => requireTar(repository.root, { ...task, env: options.env })),
  ]);
  const tracked = await tasks.start((task) =>
    trackedFiles(work, { ...task, listing, noSubmodules: options.noSubmodules }),
  );
  const sent = await tasks.start((task) =>
    stageSentTreeOrThrow(work, { ...task, ...tracked, untracked: untracked.names }),
  );
  const plan = await history;
  const base = await asked;
  if (!base) return undefined;
  const kept = base.keptIn === undefined ? undefined : await readKeptOf(base.keptIn, base.sentCommit);
  const parts: DeltaParts = { base, kept, sent, plan, entriesDigest: listing.digest };
  const changes = await tasks.start((task) => treeChanges(work, { ...options, ...task, ...parts, tracked }));
  const submodules = options.noSubmodules ? [] : await initialised(repository, listing.gitlinks);
  const meta = join(folder, 'delta', '.git');
  await mkdir(meta, { recursive: true });
  const filtered = new Set(tracked.filtered);
  const absent = new Set([...tracked.deleted, ...tracked.uncheckedAbsent]);
  const folders = listing.gitlinks.filter((name) => !absent.has(name));
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
    trackedCount: listing.paths.length,
    untrackedCount: untracked.count,
    tooling,
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
    tar,
    done,
    keep: async (dir) => {
      const choice = keptChoice(path, options);
      await keepTree(dir, { repository, staged, sent, listing, plan, choice, summary, submodules });
      return sent.commit;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
