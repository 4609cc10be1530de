/**
 * How much of a repository's history goes with a working tree. `shallow_overlay`: all of HEAD's, or its
 * newest commits when that is large; `full_copy`: all of HEAD's, however large. The files are the same.
 */
export const WORKSPACE_MODES = ['shallow_overlay', 'full_copy'] as const;

export type WorkspaceMode = (typeof WORKSPACE_MODES)[number];

/** Which working tree is sent, and how. */
export interface WorkspaceChoice {
  /** absolute host path in a git working tree */
  path: string;
  /** also files that git neither tracks nor ignores */
  includeUntracked?: boolean;
  /** a branch that is made in the guest, and switched to */
  branch?: string;
  /** what `branch` begins at; default: HEAD */
  from?: string;
  /** default: `shallow_overlay` */
  mode?: WorkspaceMode;
}

export interface InspectWorkspaceRequest extends WorkspaceChoice {
  /** answer the names of the files too */
  withFiles?: boolean;
}

/** What `vm run PATH` would send. */
export interface WorkspaceSummary {
  repoRoot: string;
  repoName: string;
  /** absent on a branch without commits */
  headCommit?: string;
  /** absent when HEAD is detached */
  branch?: string;
  trackedCount: number;
  untrackedCount: number;
  /**
   * depth of the history that is sent, when all of it would be too much; known only once packing has begun
   */
  historyDepth?: number;
  /** absent when it asks for none */
  tooling?: WorkspaceTooling;
  /** names of the files that are sent, below `repoRoot`; only when asked for */
  files?: string[];
}

/** Tools that a working tree asks for. */
export interface WorkspaceTooling {
  /** files at its top that mise reads by itself */
  files: string[];
  /** tools that other files at its top name, as mise takes them: `go@1.22.3` */
  pins: string[];
}

export interface PrepareWorkspaceRequest extends WorkspaceChoice {
  /** default `/root/repo` */
  guestPath?: string;
  /** of the same choice, packed before; where it is gone, or of another choice, it is packed now */
  packId?: string;
}

/** A working tree whose packing has begun. */
export interface PackedWorkspace {
  /** for `PrepareWorkspaceRequest`, once */
  packId: string;
  summary: WorkspaceSummary;
}

export interface PreparedWorkspace extends WorkspaceSummary {
  guestPath: string;
  bytes: number;
}
