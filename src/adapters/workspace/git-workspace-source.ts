import { ResourceStack } from '../../base/resource-stack.ts';
import type { WorkspaceContent, WorkspaceSource } from '../../core/ports/workspace.ts';
import { findCommits, readHeadCommit } from './git/git-repository.ts';
import { checkNewBranch } from './new-branch.ts';
import { openWorkspace, packWorkspace } from './pack-workspace.ts';
import { compareWithSent } from './sent/compare-with-sent.ts';
import { changeOfAll } from './sent/freshness.ts';
import { keptDir, readKeptOf } from './sent/kept-tree.ts';
import { packDelta } from './sent/pack-delta.ts';
import { allUntracked, countOf, listTracked, prefixed } from './sent-files.ts';
import { openSubmodules, prefixOf, submoduleNames } from './submodules.ts';
import { requireTar } from './tar-stream.ts';
import { findTooling } from './tooling.ts';
import {
  describeWorkspace,
  type GitWorkspaceSourceOptions,
  listIndex,
  openWork,
  sweepWork,
  textOf,
  withinSpace,
} from './workspace-work.ts';

/**
 * Sends git working trees with the host's `git` (2.31 or newer) and GNU `tar`.
 *
 * The repository may come from others, so nothing that it configures is run: no hook, file system monitor,
 * filter, diff program or fetch. Whether a file with a filter was changed is therefore taken from the size
 * and times in the index, and from pointers of Git LFS: another one that was only touched counts as modified
 * in the guest until the user's git has looked at it.
 */
export function createGitWorkspaceSource(options: GitWorkspaceSourceOptions): WorkspaceSource {
  return {
    inspect: async (path, { signal, withFiles, ...content }) => {
      await using undo = new ResourceStack();
      const work = await openWork(path, { ...options, signal });
      undo.defer('end the inspection', async () => {
        await work[Symbol.asyncDispose]();
      });
      const { tasks, repository } = work;
      const tooling = tasks.start(() => findTooling(repository.root));
      const top = { folders: [], work, listing: await tasks.start((task) => listIndex(work, task)) };
      const { noSubmodules } = content;
      const repositories = [
        top,
        ...(await openSubmodules(top, { ...options, signal: tasks.signal, noSubmodules, undo })),
      ];
      const names = tasks.start((task) =>
        withFiles ? listTracked(repositories, { ...task, noSubmodules }) : Promise.resolve(Buffer.alloc(0)),
      );
      const untracked = tasks.start((task) => allUntracked(repositories, { ...content, ...task }));
      await tasks.start((task) => requireTar(repository.root, { ...task, env: options.env }));
      const tracked = await names;
      const others = await untracked;
      // Last, because it may write the index that the others read.
      await tasks.start((task) => checkNewBranch(work, { ...content, ...task }));
      const description = {
        trackedCount: countOf(repositories),
        untrackedCount: others.reduce((sum, { count }) => sum + count, 0),
        tooling: await tooling,
        submodules: submoduleNames(repositories),
      };
      const alsoSent = others.map((each, at) => prefixed(each.names, prefixOf(repositories[at] ?? top)));
      return {
        ...describeWorkspace(work, description),
        ...(withFiles ? { files: namesIn(tracked, ...alsoSent) } : {}),
      };
    },
    sweep: () => sweepWork(options),
    head: (path, { signal }) => readHeadCommit(path, { env: options.env, signal }),
    hasCommits: (path, commits, { signal }) => findCommits(path, commits, { env: options.env, signal }),
    keptDir: (dir, submodule) => keptDir(dir, [submodule]),
    changeSince: async (dir, { sentCommit, signal }) => {
      const kept = await readKeptOf(dir, sentCommit);
      return kept && (await changeOfAll(dir, kept, { env: options.env, signal }));
    },
    sameAsSent: async (dir, content) => (await compareWithSent(dir, { ...options, ...content })).summary,
    compareWithSent: (dir, content) => compareWithSent(dir, { ...options, ...content }),
    open: (path, { signal, ...content }) =>
      withinSpace(options, () =>
        openWorkspace(path, { ...options, ...content, ...limitOf(content), signal }),
      ),
    pack: (path, { signal, ...content }) =>
      withinSpace(options, () =>
        packWorkspace(path, { ...options, ...content, ...limitOf(content), signal }),
      ),
    packDelta: (path, { signal, ...content }) =>
      withinSpace(options, () => packDelta(path, { ...options, ...content, ...limitOf(content), signal })),
  };
}

function limitOf({ mode }: WorkspaceContent): { maxHistoryBytes?: number } {
  return mode === 'full_copy' ? { maxHistoryBytes: Number.POSITIVE_INFINITY } : {};
}

function namesIn(...lists: readonly Buffer[]): string[] {
  return lists
    .flatMap((list) => list.toString('latin1').split('\0').slice(0, -1))
    .map(textOf)
    .sort();
}
