import type { Abortable } from '../../../base/abort.ts';
import type { ImageDiskUsage } from '../../../protocol/api/image-space.ts';
import type { Task } from '../../../protocol/events.ts';
import type { GuestArch } from './guest-arch.ts';
import type { ImageOrigin } from './image-origin.ts';
import type { VmRoot } from './image-source.ts';
import type { StoredImage } from './stored-image.ts';

/** An image to make. */
export interface NewImage {
  origin: Exclude<ImageOrigin, { kind: 'recipe' }>;
  /** path of the OCI archive with the content, for an origin from which no source can fetch it */
  archive?: string;
  /** of its guests; the name says it too (`imageNameFor`) */
  arch: GuestArch;
  /** kernel of the store that its VMs boot; absent: the default kernel of its architecture */
  kernelName?: string;
  /** for an image of the kind `commit` */
  root?: VmRoot;
  /** copies the file of an image of the kind `file` into the store */
  isCopied?: boolean;
  force: boolean;
}

/** What {@link ImageStore.prune} removes. */
export interface PrunedImages {
  imageCount: number;
  blobCount: number;
  kernelCount: number;
  /** initrds with an agent of another version, which belong to kernels that stay */
  initrdCount: number;
  /** `bytes` on disk of all of these */
  freedBytes: number;
}

/** What {@link ImageStore.prune} leaves alone. */
export interface PruneOptions extends Abortable {
  /** removes nothing */
  isDryRun?: boolean;
  /** images and kernels stay */
  isOnlyCaches?: boolean;
  /** blobs, and parts of interrupted downloads, that are younger than this stay; default: 0 */
  keepBlobsForMs?: number;
}

/**
 * Images of the data directory, each published by one rename; several daemons may share them. A name belongs
 * to one image at a time. An image that lost its name to a rebuild, or was deleted, stays whole as long as a
 * VM holds it.
 */
export interface ImageStore {
  /** of this host, and so of images whose name says nothing else */
  readonly arch: GuestArch;
  /**
   * Every image that has a name, sorted by name; logs and leaves out damaged ones. Removes what interrupted
   * builds left.
   */
  list(): Promise<StoredImage[]>;
  /**
   * Finds an image and checks that its files have the recorded sizes.
   *
   * @throws {AppError} IMAGE_NOT_FOUND (hint: how to build it), IMAGE_DAMAGED when a file is cut short or
   * missing.
   */
  get(name: string): Promise<StoredImage>;
  /**
   * Finds the image that a VM was made from, even when its name belongs to another image by now.
   *
   * @throws {AppError} as {@link get}.
   */
  getById(id: string): Promise<StoredImage>;
  /**
   * Keeps the image as long as the folder `holderDir` exists: a VM's own folder, so that no crash can leave a
   * hold behind. Idempotent.
   *
   * @throws {AppError} IMAGE_NOT_FOUND when it was removed meanwhile.
   */
  hold(id: string, holderDir: string, options: Abortable): Promise<void>;
  /**
   * Builds the image `name` with its kernel, or finds it built. Callers of the same name at once, in this or
   * another process, share one build. An interrupted build leaves nothing. With `force` it is built although
   * it is there; VMs keep the image they were made from.
   *
   * @throws {AppError} IMAGE_UNKNOWN when there is no recipe of that name; IMAGE_TOOL_MISSING naming the
   * packages, IMAGE_NEEDS_SUBIDS and IMAGE_NEEDS_NAMESPACES with the fix, before anything is made;
   * HOST_NO_SPACE before and during; IMAGE_BUILD_FAILED.
   */
  build(name: string, options: Task & { force: boolean }): Promise<StoredImage>;
  /**
   * Makes the image `name` of what is at `origin` now. Keeps the image that has the name, if it was made of
   * the same content, unless with `force`. Otherwise as {@link build}: callers share the work, nothing is
   * left of an interrupted one, and VMs keep the image that they were made from.
   *
   * @throws {AppError} IMAGE_NAME_INVALID; IMAGE_EXISTS when the name belongs to an image of another origin;
   * HOST_NO_SPACE, IMAGE_BUILD_FAILED, what the origin's source and its builder throw.
   */
  add(name: string, request: NewImage, options: Task): Promise<StoredImage>;
  /**
   * Removes the name, and the files and blobs too unless a VM holds them or another image needs them.
   *
   * @throws {AppError} IMAGE_NOT_FOUND
   */
  delete(name: string, options: Abortable): Promise<void>;
  /**
   * Removes what stayed for the sake of a holder that is gone: its image, unless that has a name or another
   * holder, and then the kernels and blobs that no image needs. Idempotent, and quick for an image with a
   * name: then nothing else is looked at.
   */
  release(id: string, options: Abortable): Promise<void>;
  /**
   * Removes images that have neither a name nor a holder, and then the kernels and blobs that no image needs,
   * and old initrds. Idempotent. Keeps blobs while an image is being made. Returns what it removes.
   */
  prune(options: PruneOptions): Promise<PrunedImages>;
  /** Measures what the store takes on disk, with its kernels. Damaged images are left out. */
  diskUsage(options: Abortable): Promise<ImageDiskUsage>;
  /**
   * Calls `work` with an image whose blobs stay meanwhile, and with an empty folder that is removed
   * afterwards.
   *
   * @throws {AppError} as {@link get}; what `work` throws.
   */
  withContent<T>(
    name: string,
    work: (image: StoredImage, workDir: string) => Promise<T>,
    options: Abortable,
  ): Promise<T>;
  /** Names that {@link build} knows. */
  recipes(): readonly string[];
}
