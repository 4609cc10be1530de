import type { Readable } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { WorkspaceChoice, WorkspaceSummary } from '../../protocol/api/workspace.ts';

/** A git working tree of the host, packed for a guest. */
export interface PackedWorkspace {
  /** all but the history's depth */
  summary: Omit<WorkspaceSummary, 'historyDepth'>;
  /** depth of the sent history, when all of it would be too much; rejects as `done` */
  historyDepth: Promise<number | undefined>;
  /** the commit that the guest's new branch begins at, when that is not HEAD */
  branchStart?: string;
  /** tar of the working tree's tracked files and a `.git` with enough history; produced as it is read */
  tar: Readable;
  /**
   * rejects, as the stream does, when the tar could not be finished: WORKSPACE_TAR_FAILED,
   * WORKSPACE_GIT_FAILED
   */
  done: Promise<void>;
}

/** Which part of a working tree is sent, and on which branch the guest starts. */
export type WorkspaceContent = Omit<WorkspaceChoice, 'path'>;

/** Reads git working trees; never writes to them. */
export interface WorkspaceSource {
  /**
   * Checks that `path` is in a working tree that can be sent this way, and counts its files.
   *
   * @throws {AppError} WORKSPACE_NOT_FOUND, WORKSPACE_NOT_GIT, WORKSPACE_BARE, WORKSPACE_SUBMODULES,
   * WORKSPACE_GIT_FAILED, WORKSPACE_GIT_MISSING, WORKSPACE_TAR_MISSING, WORKSPACE_BRANCH_INVALID,
   * WORKSPACE_REF_NOT_FOUND, WORKSPACE_BRANCH_REFUSED
   */
  inspect(
    path: string,
    options: Abortable & WorkspaceContent & { withFiles?: boolean },
  ): Promise<WorkspaceSummary>;
  /**
   * The present HEAD commit of the working tree at `path`; `undefined` when it has none, or is no longer a
   * working tree.
   */
  head(path: string, options: Abortable): Promise<string | undefined>;
  /**
   * Starts packing, after the checks of {@link inspect}. Disposing ends it and removes its temporary files.
   * Errors as there.
   */
  pack(path: string, options: Abortable & WorkspaceContent): Promise<PackedWorkspace & AsyncDisposable>;
}
