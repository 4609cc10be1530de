import type { Abortable } from '../../base/abort.ts';
import type { StoredImage } from './images/stored-image.ts';
import type { PackedWorkspace, WorkspaceContent } from './workspace.ts';

/** What decides what is in a base image. */
export interface BaseRequest {
  /** top of the working tree */
  repoRoot: string;
  /** folder for the working tree, below the home of the guest's root */
  folder: string;
  content: Pick<WorkspaceContent, 'includeUntracked' | 'mode' | 'noSubmodules'>;
  /** its `/root` comes first */
  image: Pick<StoredImage, 'id' | 'name' | 'rootfsPath'>;
  /** of the file system */
  diskSizeBytes: number;
}

/** A base image of the store: a work disk with a repository in it. Never changed once made. */
export interface StoredBase {
  /** 64 hex digits */
  key: string;
  repoRoot: string;
  imageName: string;
  diskSizeBytes: number;
  /** what its files take on disk */
  diskBytes: number;
  createdAt: string;
  lastUsedAt: string;
}

/** What a base is compared with: a working tree of its repository. */
export interface BaseOfTree extends StoredBase {
  /** raw ext4 of `diskSizeBytes`, sparse and clean */
  file: string;
  /** what the host keeps about the tree in it, as with a VM */
  sentDir: string;
  /** the commit that the repository in it has as `SENT_REF` */
  sentCommit: string;
}

/**
 * A base image that the store of this daemon does not remove until it is disposed of, also when it is made
 * again meanwhile: `file` and `sentDir` stay those of one and the same tree.
 */
export interface UsableBase extends BaseOfTree, Disposable {
  /** HEAD of the repository in it; absent on a branch without commits */
  headCommit?: string;
  /**
   * Gives `dir`, a folder of the VM, what the next delta needs, in place of what was there: all of it, or
   * nothing when this process is killed or another daemon of the user has removed the base meanwhile. Does
   * not create the parent of `dir`.
   */
  copySent(dir: string): Promise<void>;
}

/** Which bases {@link WorkDiskBases.prune} removes. */
export interface PruneBasesOptions {
  /** what all bases may take on disk */
  maxBytes: number;
  /** only say which would be removed */
  isDryRun?: boolean;
}

/**
 * The base images of this user's repositories. They are a cache: any of them may be removed at any time, and
 * only saves work. Their files are readable by the user alone.
 */
export interface WorkDiskBases {
  /**
   * The base that was used last of the repository whose working tree contains `path`, whatever it was made
   * for. It may be removed at any time.
   */
  ofTree(path: string): Promise<BaseOfTree | undefined>;
  /** The base for a request, when it exists and is whole. */
  use(request: BaseRequest, options: Abortable): Promise<UsableBase | undefined>;
  /**
   * Makes the base for a request from a packed working tree, whose stream it reads, and puts it in the place
   * of an older one. Nothing of it is left after a failure or an abort, and nothing finds it before it is
   * whole. It survives a power failure only once it is durable, which takes place in the background; until
   * then it counts only in this boot of the host.
   *
   * @throws {AppError} HOST_NO_SPACE; WORKSPACE_BASE_FAILED when it cannot be made from this tree;
   * DIR_NOT_PRIVATE when others could read it; what the stream fails with
   */
  make(request: BaseRequest, options: Abortable & { packed: PackedWorkspace }): Promise<void>;
  /** All bases that are whole; last used first. */
  list(): Promise<StoredBase[]>;
  /**
   * Removes bases that are not whole and those whose repository is gone, then the least recently used ones
   * until the rest takes `maxBytes` at most; never one in use. Returns what it removed.
   */
  prune(options: PruneBasesOptions): Promise<StoredBase[]>;
  /** Removes what a crashed daemon left half-made, and what counts no longer. Idempotent. */
  sweep(): Promise<void>;
}
