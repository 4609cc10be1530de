import type { Abortable } from '../../base/abort.ts';
import {
  type InspectWorkspaceRequest,
  type PackedWorkspace,
  type PreparedWorkspace,
  type PrepareWorkspaceRequest,
  packedWorkspace,
  preparedWorkspace,
  type WorkspaceChoice,
  type WorkspaceSummary,
  workspaceSummary,
} from '../../protocol/api/workspace.ts';
import {
  type PruneBasesRequest,
  type WorkspaceBase,
  workspaceBases,
} from '../../protocol/api/workspace-base.ts';
import {
  type PullBranchRequest,
  type PulledBranch,
  type PulledWorkspace,
  type PullWorkspaceRequest,
  pulledBranch,
  pulledWorkspace,
  type UndonePull,
  undonePull,
} from '../../protocol/api/workspace-pull.ts';
import type { Lease } from '../lease.ts';
import { vmPath } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** Working trees of the host, and their copies in VMs. */
export interface WorkspaceCalls {
  /** What `prepareWorkspace` would send; touches no VM. */
  inspectWorkspace(request: InspectWorkspaceRequest, options: Abortable): Promise<WorkspaceSummary>;
  /**
   * Starts to pack a working tree before its VM exists. The pack is deleted when the lease is disposed of or
   * this process dies.
   */
  packWorkspace(request: WorkspaceChoice, options: Abortable): Promise<Lease<PackedWorkspace>>;
  /** Copies a git working tree into the guest. */
  prepareWorkspace(
    ref: string,
    request: PrepareWorkspaceRequest,
    options: Abortable,
  ): Work<PreparedWorkspace>;
  /**
   * Merges what a running guest has changed into the working tree that was copied into it, all or nothing;
   * with `dryRun` it only says what that would do. An abort leaves the working tree as it was.
   */
  pullWorkspace(ref: string, request: PullWorkspaceRequest, options: Abortable): Work<PulledWorkspace>;
  /** Takes back the last pull into the working tree that was copied into a VM, which need not run. */
  undoPull(ref: string, options: Abortable): Promise<UndonePull>;
  /** Makes a branch of the guest's commits in the repository on the host; its files stay as they are. */
  pullBranch(ref: string, request: PullBranchRequest, options: Abortable): Work<PulledBranch>;
  /** All base images of repositories, the most recently used first. */
  listWorkspaceBases(options: Abortable): Promise<WorkspaceBase[]>;
  /** Deletes base images of repositories that are gone, and those beyond the disk budget, or `all`. */
  pruneWorkspaceBases(request: PruneBasesRequest, options: Abortable): Promise<WorkspaceBase[]>;
}

/** {@link WorkspaceCalls} over one transport. */
export function workspaceCalls(caller: Caller): WorkspaceCalls {
  return {
    inspectWorkspace: (body, { signal }) =>
      caller.post('/workspaces/inspect', workspaceSummary, { body, signal }),
    packWorkspace: (body, { signal }) => caller.lease('/workspaces/pack', packedWorkspace, { body, signal }),
    prepareWorkspace: (ref, body, { signal }) =>
      caller.work(vmPath(ref, 'workspace'), preparedWorkspace, { body, signal }),
    pullWorkspace: (ref, body, { signal }) =>
      caller.work(vmPath(ref, 'workspace', 'pull'), pulledWorkspace, { body, signal }),
    undoPull: (ref, { signal }) => caller.post(vmPath(ref, 'workspace', 'undo-pull'), undonePull, { signal }),
    pullBranch: (ref, body, { signal }) =>
      caller.work(vmPath(ref, 'workspace', 'branch'), pulledBranch, { body, signal }),
    listWorkspaceBases: async (options) =>
      (await caller.get('/workspaces/bases', workspaceBases, options)).bases,
    pruneWorkspaceBases: async (body, { signal }) =>
      (await caller.post('/workspaces/bases/prune', workspaceBases, { body, signal })).bases,
  };
}
