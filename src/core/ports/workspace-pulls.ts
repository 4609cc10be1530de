import type { Readable } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type {
  PulledFile,
  PulledPath,
  PullFileChoice,
  PullProblem,
} from '../../protocol/api/workspace-pull.ts';

/** What a pull merges, and into which working tree. */
export interface PullChoice {
  /** top of the working tree on the host */
  root: string;
  /** the tree that was sent last, as the host noted it */
  sentCommit: string;
  /** where the host keeps that tree (`WorkspaceSource`) */
  keptIn: string;
  /** where the host keeps what was pulled from this VM; made when missing */
  pulledIn: string;
  /** write the conflicts of text files into the files, as git does */
  writesMarkers: boolean;
  /** permission bits that new files and folders do not get */
  umask: number;
}

/** What a pull would do, or did. */
export interface PullPlan {
  paths: PulledPath[];
  /** all conflicts; while there are any that are not written as markers, nothing may be applied */
  conflicts: PullProblem[];
  /** paths that are never written, whatever they contain; nothing may be applied */
  refused: PullProblem[];
  /** changes that a pull leaves to the user: commits of submodules */
  skipped: PullProblem[];
  /** names this plan: the same changes to the same files have the same digest */
  digest: string;
}

/** A pull from one guest. Disposing removes everything that was not applied. */
export interface OpenPull {
  /** what the guest's command gets as its input: the names of the files' contents that are wanted */
  wanted: Readable;
  /**
   * Takes a piece of the guest's output.
   *
   * @throws {AppError} WORKSPACE_PULL_FAILED when it is not what the command prints, or too much;
   * WORKSPACE_PULL_BASE_UNKNOWN when the guest begins at another tree than the host knows
   */
  take(chunk: Buffer): void;
  /**
   * Merges, after all output was taken. Changes nothing of the user's.
   *
   * @throws {AppError} WORKSPACE_PULL_FAILED, WORKSPACE_GIT_*
   */
  plan(options: Abortable): Promise<PullPlan>;
  /**
   * The changes of each file of the plan, to choose from. A diff that is too large to be shown, or that shows
   * nothing, is left out; then the file can only be chosen whole.
   *
   * @throws {AppError} WORKSPACE_PULL_FAILED when there are too many files
   */
  files(options: Abortable): Promise<PulledFile[]>;
  /**
   * Reduces the plan to what is chosen, and returns what is left of it. What is left out is not noted as
   * pulled: the next pull offers it again. `isAll`: nothing was left out.
   *
   * @throws {AppError} WORKSPACE_PULL_STALE, with all paths, when chosen files would now change in another
   * way; REQUEST_INVALID when a file has no such change
   */
  choose(choices: readonly PullFileChoice[], options: Abortable): Promise<PullPlan & { isAll: boolean }>;
  /**
   * Applies the plan: all of it, or nothing. Killed in the middle, it is finished or undone by
   * {@link WorkspacePulls.finishLeft}.
   *
   * @throws {AppError} WORKSPACE_PULL_STALE when a file was changed since the plan; WORKSPACE_PULL_FAILED
   */
  apply(options: Abortable): Promise<void>;
}

/** A pull of commits. Disposing removes what did not land. */
export interface OpenBranchPull {
  /** Takes a piece of the guest's output. @throws {AppError} WORKSPACE_PULL_FAILED */
  take(chunk: Buffer): void;
  /**
   * Checks every object that came, and makes the branch. Runs no hook.
   *
   * @throws {AppError} WORKSPACE_PULL_FAILED when an object is broken or missing; WORKSPACE_BRANCH_REFUSED
   */
  land(options: Abortable): Promise<{ commit: string; commitCount: number; isComplete: boolean }>;
}

/** Brings changes of guests into working trees of the host; nothing else writes there. */
export interface WorkspacePulls {
  /**
   * Begins a pull.
   *
   * @throws {AppError} WORKSPACE_PULL_BASE_UNKNOWN when the host has not kept the tree of `sentCommit`;
   * WORKSPACE_NOT_FOUND, WORKSPACE_NOT_GIT, WORKSPACE_GIT_*
   */
  open(choice: PullChoice, options: Abortable): Promise<OpenPull & AsyncDisposable>;
  /**
   * Takes back the last pull into a working tree: its files are as they were before. Returns their paths.
   *
   * @throws {AppError} WORKSPACE_PULL_NONE when there is none; WORKSPACE_PULL_STALE, with all paths, when
   * files were changed since, and then changes nothing
   */
  undo(root: string, options: Abortable): Promise<string[]>;
  /**
   * Begins to pull commits into a new branch `name` of the repository of `root`.
   *
   * @throws {AppError} WORKSPACE_BRANCH_INVALID, WORKSPACE_BRANCH_REFUSED when there is such a branch;
   * WORKSPACE_NOT_FOUND, WORKSPACE_NOT_GIT, WORKSPACE_GIT_*
   */
  openBranch(root: string, options: Abortable & { name: string }): Promise<OpenBranchPull & AsyncDisposable>;
  /** Finishes or undoes what a killed daemon has left. Idempotent. */
  finishLeft(options: Abortable): Promise<void>;
}
