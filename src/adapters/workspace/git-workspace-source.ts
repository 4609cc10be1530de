import { isDeepStrictEqual } from 'node:util';
import type { Abortable } from '../../base/abort.ts';
import type { WorkspaceContent, WorkspaceSource } from '../../core/ports/workspace.ts';
import { findCommits, readHeadCommit } from './git/git-repository.ts';
import { checkNewBranch } from './new-branch.ts';
import { keptChoice, listTracked, packWorkspace, untrackedNames } from './pack-workspace.ts';
import { changeSince, isSameHistory } from './sent/freshness.ts';
import { readKept, readKeptOf } from './sent/kept-tree.ts';
import { packDelta } from './sent/pack-delta.ts';
import { requireTar } from './tar-stream.ts';
import { allEnded } from './task-group.ts';
import { findTooling } from './tooling.ts';
import {
  describeWorkspace,
  type GitWorkspaceSourceOptions,
  listIndex,
  openWork,
  textOf,
  type WorkspaceWork,
} from './workspace-work.ts';

/**
 * Sends git working trees with the host's `git` (2.31 or newer) and GNU `tar`.
 *
 * The repository may come from others, so nothing that it configures is run: no hook, file system monitor,
 * filter, diff program or fetch. A filtered file (Git LFS, for example) is therefore compared as it is on
 * disk: if it was touched without a change, or in the same second as the index, it counts as modified in the
 * guest until it is added again.
 */
export function createGitWorkspaceSource(options: GitWorkspaceSourceOptions): WorkspaceSource {
  return {
    inspect: async (path, { signal, withFiles, ...content }) => {
      await using work = await openWork(path, { ...options, signal });
      const { root } = work.repository;
      const tooling = work.tasks.start(() => findTooling(root));
      const tracked = work.tasks.start((task) =>
        withFiles ? listTracked(work, task) : countTracked(work, task),
      );
      const untracked = work.tasks.start((task) => untrackedNames(work, { ...content, ...task }));
      await work.tasks.start((task) => requireTar(root, { ...task, env: options.env }));
      const { count: trackedCount, names } = await tracked;
      const { count: untrackedCount, names: alsoSent } = await untracked;
      // Last, because it may write the index that the others read.
      await work.tasks.start((task) => checkNewBranch(work, { ...content, ...task }));
      const found = await tooling;
      return {
        ...describeWorkspace(work, { trackedCount, untrackedCount, tooling: found }),
        ...(withFiles ? { files: namesIn(names, alsoSent) } : {}),
      };
    },
    head: (path, { signal }) => readHeadCommit(path, { env: options.env, signal }),
    hasCommits: (path, commits, { signal }) => findCommits(path, commits, { env: options.env, signal }),
    keptCommit: async (dir) => (await readKept(dir))?.commit,
    changeSince: async (dir, { sentCommit, signal }) => {
      const kept = await readKeptOf(dir, sentCommit);
      return kept && (await changeSince(kept, { env: options.env, signal }));
    },
    sameAsSent: async (dir, { path, sentCommit, signal, ...content }) => {
      const kept = await readKeptOf(dir, sentCommit);
      if (!kept || content.branch !== undefined) return undefined;
      if (!isDeepStrictEqual(kept.choice, keptChoice(path, content))) return undefined;
      const call = { env: options.env, signal };
      const [change, isSame] = await allEnded([changeSince(kept, call), isSameHistory(kept, call)]);
      return change.kind === 'none' && isSame ? kept.summary : undefined;
    },
    pack: (path, { signal, ...content }) =>
      packWorkspace(path, { ...options, ...content, ...limitOf(content), signal }),
    packDelta: (path, { signal, ...content }) =>
      packDelta(path, { ...options, ...content, ...limitOf(content), signal }),
  };
}

function limitOf({ mode }: WorkspaceContent): { maxHistoryBytes?: number } {
  return mode === 'full_copy' ? { maxHistoryBytes: Number.POSITIVE_INFINITY } : {};
}

async function countTracked(
  work: WorkspaceWork,
  { signal }: Abortable,
): Promise<{ count: number; names: Buffer }> {
  return { count: (await listIndex(work, { signal })).paths.length, names: Buffer.alloc(0) };
}

function namesIn(...lists: readonly Buffer[]): string[] {
  return lists
    .flatMap((list) => list.toString('latin1').split('\0').slice(0, -1))
    .map(textOf)
    .sort();
}
