import {
  closedObject,
  count,
  list,
  object,
  oneOf,
  optional,
  text,
  truth,
} from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { absolutePath, bytes } from './common.ts';

/**
 * How much of a repository's history is sent with a working tree. `shallow_overlay`: all of HEAD's history,
 * or only its newest commits when that is large; `full_copy`: all of HEAD's, however large. The files are the
 * same.
 */
export const WORKSPACE_MODES = ['shallow_overlay', 'full_copy'] as const;

export type WorkspaceMode = (typeof WORKSPACE_MODES)[number];

const choice = {
  path: absolutePath,
  includeUntracked: optional(truth('also files that git neither tracks nor ignores')),
  branch: optional(text('a branch to create in the guest and switch to')),
  from: optional(text('what `branch` starts at; default: HEAD')),
  mode: optional(oneOf(WORKSPACE_MODES, 'default: `shallow_overlay`')),
  noSubmodules: optional(truth('leave the folders of submodules empty')),
};

/** Body of `POST /v1/workspaces/pack`: which working tree is sent, and how. */
export const workspaceChoice = closedObject(choice);
export type WorkspaceChoice = ValueOf<typeof workspaceChoice>;

/** Body of `POST /v1/workspaces/inspect`. */
export const inspectWorkspaceRequest = closedObject({
  ...choice,
  withFiles: optional(truth('also return the names of the files')),
});
export type InspectWorkspaceRequest = ValueOf<typeof inspectWorkspaceRequest>;

/** Body of `POST /v1/vms/REF/workspace`. */
export const prepareWorkspaceRequest = closedObject({
  ...choice,
  guestPath: optional(absolutePath),
  discardGuest: optional(truth('overwrite what was changed in the guest since the last copy')),
  packId: optional(
    text(
      'id of a pack with the same choice; if that pack is gone or differs, the working tree is packed now',
    ),
  ),
});
export type PrepareWorkspaceRequest = ValueOf<typeof prepareWorkspaceRequest>;

const tooling = object({
  files: list(text(), 'files in its top folder that mise itself reads'),
  pins: list(
    text(),
    'tools that other files in its top folder name, in the form that mise accepts: `go@1.22.3`',
  ),
});

/** Tools that a working tree names. */
export type WorkspaceTooling = ValueOf<typeof tooling>;

const summary = {
  repoRoot: text('top of the working tree'),
  repoName: text(),
  headCommit: optional(text('absent on a branch without commits')),
  branch: optional(text('absent when HEAD is detached')),
  trackedCount: count(),
  untrackedCount: count(),
  historyDepth: optional(
    count('depth of the history that is sent, if not all of it is; known once packing has begun'),
  ),
  tooling: optional(tooling),
  submodules: optional(
    list(
      text(),
      'folders below `repoRoot` of the submodules that are sent, with their own; absent if none are',
    ),
  ),
  files: optional(list(text(), 'names of the files that are sent, below `repoRoot`; only when requested')),
};

/** What `vm run PATH` would send. */
export const workspaceSummary = object(summary);
export type WorkspaceSummary = ValueOf<typeof workspaceSummary>;

/** Result of `POST /v1/workspaces/pack`: a working tree whose packing has begun. */
export const packedWorkspace = object({
  packId: text('for one `PrepareWorkspaceRequest`'),
  summary: workspaceSummary,
});
export type PackedWorkspace = ValueOf<typeof packedWorkspace>;

/** Result of `POST /v1/vms/REF/workspace`. */
export const preparedWorkspace = object({ ...summary, guestPath: text(), bytes: bytes() });
export type PreparedWorkspace = ValueOf<typeof preparedWorkspace>;
