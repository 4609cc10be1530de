import type { WorkspaceSource } from '../../core/ports/workspace.ts';
import { packWorkspace } from './pack-workspace.ts';
import { requireTar } from './tar-stream.ts';
import {
  countUntracked,
  describeRepository,
  type GitWorkspaceSourceOptions,
  listIndex,
  openWork,
} from './workspace-work.ts';

/**
 * Sends git working trees with the host's `git` (2.31 or newer) and GNU `tar`.
 *
 * The repository may come from others, so nothing that it configures is run: no hook, file system monitor, filter, diff program
 * or fetch. Without its filter (Git LFS is one) a filtered file is compared as it is on disk: one that was touched without a change, or in the same
 * second as the index, counts as modified in the guest until it is added again.
 */
export function createGitWorkspaceSource(options: GitWorkspaceSourceOptions): WorkspaceSource {
  return {
    inspect: async (path, { signal }) => {
      await using work = await openWork(path, { ...options, signal });
      const listing = work.tasks.start((task) => listIndex(work, task));
      const untracked = work.tasks.start((task) => countUntracked(work, task));
      const { root } = work.repository;
      await work.tasks.start((task) => requireTar(root, { ...task, env: options.env }));
      const counts = { trackedCount: (await listing).paths.length, untrackedCount: await untracked };
      return { ...describeRepository(work), ...counts };
    },
    pack: (path, { signal }) => packWorkspace(path, { ...options, signal }),
  };
}
