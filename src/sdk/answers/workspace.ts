import type {
  PackedWorkspace,
  PreparedWorkspace,
  WorkspaceSummary,
  WorkspaceTooling,
} from '../../protocol/api/workspace.ts';
import { type GuardOf, isNumber, isText, listOf, optional, shapeOf } from '../guards.ts';

const summaryFields = {
  repoRoot: isText,
  repoName: isText,
  headCommit: optional(isText),
  branch: optional(isText),
  trackedCount: isNumber,
  untrackedCount: isNumber,
  historyDepth: optional(isNumber),
  tooling: optional(shapeOf<WorkspaceTooling>({ files: listOf(isText), pins: listOf(isText) })),
  files: optional(listOf(isText)),
};

/** Answer of `POST /v1/workspaces/inspect`. */
export const isWorkspaceSummary: GuardOf<WorkspaceSummary> = shapeOf<WorkspaceSummary>(summaryFields);

/** Result of `POST /v1/workspaces/pack`. */
export const isPackedWorkspace: GuardOf<PackedWorkspace> = shapeOf<PackedWorkspace>({
  packId: isText,
  summary: isWorkspaceSummary,
});

/** Result of `POST /v1/vms/REF/workspace`. */
export const isPreparedWorkspace: GuardOf<PreparedWorkspace> = shapeOf<PreparedWorkspace>({
  ...summaryFields,
  guestPath: isText,
  bytes: isNumber,
});
