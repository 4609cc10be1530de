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
  /**
   * Keeps in `dir`, a folder of the VM, what the next delta needs, in place of what was kept there; call it
   * when the guest has the tree. Returns the commit that the guest has as `SENT_REF`; `undefined` when git
   * could not store the tree, and nothing is kept.
   */
  keep(dir: string): Promise<string | undefined>;
}

/** A working tree of the host that can be sent: nothing of it has been packed yet. */
export interface OpenedWorkspace extends Pick<PackedWorkspace, 'summary' | 'branchStart'> {
  /** Starts packing it. The second call returns what the first one did. */
  pack(): PackedWorkspace;
}

/** What the guest's repository holds, as its own git says. Text is latin1. */
export interface GuestTree {
  /** the branch that is checked out; absent when HEAD is detached */
  headRef?: string;
  /** absent on a branch without commits */
  headCommit?: string;
  /** the tree that it was sent last, absent when none was */
  sentCommit?: string;
  /** branches by name */
  branches: ReadonlyMap<string, string>;
}

/** What a delta begins at. */
export interface DeltaBase extends GuestTree {
  /**
   * Asks for `git ls-tree -r -z` of the tree of `sentCommit`, when the host keeps nothing about it; absent
   * when the guest was sent none.
   */
  listTree?: () => Promise<Buffer>;
  /** paths to send, or delete, in any case; of the guest, so they may be anything */
  alsoPaths?: readonly string[];
}

/**
 * The difference between a working tree and what a guest has, packed for `<guestPath>/.git/banger/incoming`.
 */
export interface PackedDelta extends Omit<PackedWorkspace, 'historyDepth'> {
  /** the host has changed nothing that the guest does not have */
  isEmpty: boolean;
  /** HEAD as the guest was sent it, when that is known */
  sentHead?: string;
  /** the guest's branches that the host has moved, with the commits that they were sent at */
  movedBranches: ReadonlyMap<string, string | undefined>;
  /** Those of the paths that the guest would lose, given what `apply.sh` printed. */
  lostPaths(printed: Buffer): string[];
  /**
   * After `done`: a file, latin1, that may have been changed between the moment at which its content was
   * noted, for `keep` and for the guest, and that at which it was packed
   */
  changedMeanwhile(): Promise<string | undefined>;
}

/** Which part of a working tree is sent, and on which branch the guest starts. */
export type WorkspaceContent = Omit<WorkspaceChoice, 'path'>;

/**
 * How a working tree differs from the tree that was sent last: HEAD has moved, files were changed, or git can
 * no longer read it.
 */
export interface HostChange {
  kind: 'none' | 'head' | 'files' | 'gone';
  /** HEAD now */
  headCommit?: string;
}

/** What a comparison with the tree that was sent last has found, so that a delta need not look again. */
export interface TreeLook {
  /** the tree with which it was compared */
  sentCommit: string;
  /** git's raw diff of the files whose time or size differs */
  touched: Buffer;
  untrackedCount: number;
}

/** How a working tree compares with the tree that was sent last. */
export interface SentComparison {
  /** what was sent with that tree, when sending it now would send the same */
  summary?: PackedWorkspace['summary'];
  /** absent when it is the same, and when a delta has to look for itself */
  look?: TreeLook;
}

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
  /** Which of `commits` the repository at `path` has. */
  hasCommits(path: string, commits: readonly string[], options: Abortable): Promise<Set<string>>;
  /** The folder in which the tree of a submodule is kept, given that of the repository that it is in. */
  keptDir(dir: string, submodule: string): string;
  /**
   * How the working tree differs from what was kept in `dir` when it was sent; `undefined` when nothing is
   * kept there, or another tree than that of `sentCommit`.
   */
  changeSince(
    dir: string,
    options: Abortable & { sentCommit: string | undefined },
  ): Promise<HostChange | undefined>;
  /**
   * What was sent with the tree of `sentCommit`, when sending `path` now would send the same: files, HEAD,
   * staged changes, refs, settings. `undefined` otherwise.
   */
  sameAsSent(
    dir: string,
    options: Abortable & WorkspaceContent & { path: string; sentCommit: string | undefined },
  ): Promise<PackedWorkspace['summary'] | undefined>;
  /** {@link sameAsSent}, and what it has found when the tree is not the same. */
  compareWithSent(
    dir: string,
    options: Abortable & WorkspaceContent & { path: string; sentCommit: string | undefined },
  ): Promise<SentComparison>;
  /**
   * Opens a working tree for sending it, after the checks of {@link inspect}. Disposing ends what it does and
   * removes its temporary files. Errors as there.
   */
  open(path: string, options: Abortable & WorkspaceContent): Promise<OpenedWorkspace & AsyncDisposable>;
  /** {@link open}, and at once {@link OpenedWorkspace.pack}. */
  pack(path: string, options: Abortable & WorkspaceContent): Promise<PackedWorkspace & AsyncDisposable>;
  /**
   * Like {@link pack}, for a guest that has been sent a tree before, or has a repository of its own. Reads
   * the working tree while the guest is still being asked for `base`; returns `undefined` when it has
   * nothing.
   */
  packDelta(
    path: string,
    options: Abortable &
      WorkspaceContent & {
        /** where the host keeps what it knows about the tree that was sent last */
        keptIn: string;
        base: Promise<DeltaBase | undefined>;
        /** what was found a moment ago, with what is in `keptIn` */
        look?: TreeLook;
      },
  ): Promise<(PackedDelta & AsyncDisposable) | undefined>;
  /** Removes what packings have left whose daemon was killed. Idempotent. */
  sweep(): Promise<void>;
}
