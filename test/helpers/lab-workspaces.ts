import { createGitWorkspaceSource } from '../../src/adapters/workspace/git-workspace-source.ts';
import {
  createGitWorkspacePulls,
  type GitWorkspacePullsOptions,
} from '../../src/adapters/workspace/pull/git-workspace-pulls.ts';
import type { VmWorld } from '../../src/core/vms/world.ts';

/** Real ways to and from working trees of this host, for a lab. */
export function labWorkspaces(
  options: GitWorkspacePullsOptions & { userGitDir: string },
): Pick<VmWorld, 'workspaces' | 'pulls'> {
  return { workspaces: createGitWorkspaceSource(options), pulls: createGitWorkspacePulls(options) };
}
