import type { Readable } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { WorkspaceSummary } from '../../protocol/api.ts';

/** A git working tree of the host, packed for a guest. */
export interface PackedWorkspace {
  summary: WorkspaceSummary;
  /** tar of the working tree's tracked files and a `.git` with enough history */
  tar: Readable;
  /** rejects, as the stream does, when the tar could not be finished: WORKSPACE_TAR_FAILED, WORKSPACE_GIT_FAILED */
  done: Promise<void>;
}

/** Reads git working trees; never writes to them. */
export interface WorkspaceSource {
  /**
   * Checks that `path` is in a working tree that can be sent, and counts.
   *
   * @throws {AppError} WORKSPACE_NOT_FOUND, WORKSPACE_NOT_GIT, WORKSPACE_BARE, WORKSPACE_SUBMODULES, WORKSPACE_GIT_FAILED,
   *   WORKSPACE_GIT_MISSING, WORKSPACE_TAR_MISSING
   */
  inspect(path: string, options: Abortable): Promise<WorkspaceSummary>;
  /** Starts packing; disposing ends it and removes its temporary files. Errors as {@link inspect}. */
  pack(path: string, options: Abortable): Promise<PackedWorkspace & AsyncDisposable>;
}
