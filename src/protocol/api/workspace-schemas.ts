import { z } from 'zod';
import { bytes, count, type Exact } from './common-schemas.ts';
import {
  type InspectWorkspaceRequest,
  type PackedWorkspace,
  type PreparedWorkspace,
  type PrepareWorkspaceRequest,
  WORKSPACE_MODES,
  type WorkspaceChoice,
  type WorkspaceSummary,
} from './workspace.ts';

const absolutePath = z.string().regex(/^\/[^\0]*$/, 'must be an absolute path');

const workspaceChoice = {
  path: absolutePath,
  includeUntracked: z.boolean().exactOptional(),
  branch: z.string().exactOptional(),
  from: z.string().exactOptional(),
  mode: z.enum(WORKSPACE_MODES).exactOptional(),
};

/** Body of `POST /v1/workspaces/inspect`. */
export const inspectWorkspaceRequest = z.strictObject({
  ...workspaceChoice,
  withFiles: z.boolean().exactOptional(),
}) satisfies Exact<InspectWorkspaceRequest>;

/** Body of `POST /v1/vms/REF/workspace`. */
export const prepareWorkspaceRequest = z.strictObject({
  ...workspaceChoice,
  guestPath: absolutePath.exactOptional(),
  packId: z.string().exactOptional(),
}) satisfies Exact<PrepareWorkspaceRequest>;

/** Body of `POST /v1/workspaces/pack`. */
export const packWorkspaceRequest = z.strictObject(workspaceChoice) satisfies Exact<WorkspaceChoice>;

const summary = {
  repoRoot: z.string().describe('top of the working tree'),
  repoName: z.string(),
  headCommit: z.string().describe('absent on a branch without commits').exactOptional(),
  branch: z.string().describe('absent when HEAD is detached').exactOptional(),
  trackedCount: count,
  untrackedCount: count,
  historyDepth: count.describe('of the history that was sent, when all of it was too much').exactOptional(),
  tooling: z.object({ files: z.array(z.string()), pins: z.array(z.string()) }).exactOptional(),
  files: z.array(z.string()).exactOptional(),
};

/** Answer of `POST /v1/workspaces/inspect`. */
export const workspaceSummary: Exact<WorkspaceSummary> = z.object(summary);

/** Result of `POST /v1/workspaces/pack`. */
export const packedWorkspace: Exact<PackedWorkspace> = z.object({
  packId: z.string(),
  summary: workspaceSummary,
});

/** Result of `POST /v1/vms/REF/workspace`. */
export const preparedWorkspace: Exact<PreparedWorkspace> = z.object({
  ...summary,
  guestPath: z.string(),
  bytes,
});
