import type { Abortable } from '../../base/abort.ts';
import type { Task } from '../../protocol/events.ts';

/** Architectures that guests can have, by their Debian names. */
export type GuestArch = 'amd64' | 'arm64';

/** An image of the store; its files are never written again. */
export interface StoredImage {
  name: string;
  /** `sha256:...` of its root file system; each rebuild of a name has a new one */
  id: string;
  arch: GuestArch;
  distro: string;
  /** name in the kernel store */
  kernelName: string;
  rootfsPath: string;
  sizeBytes: number;
  diskBytes: number;
  createdAt: string;
}

/** A kernel of the store. */
export interface KernelEntry {
  name: string;
  release: string;
  arch: GuestArch;
  /** as the distribution ships it: on amd64 a bzImage, on arm64 an Image */
  kernelPath: string;
  /** the same kernel as an ELF file, for VMMs that load only that; absent when it could not be unpacked */
  vmlinuxPath?: string;
  /** ext4 image with the content of `/lib/modules/<release>` */
  modulesPath: string;
  diskBytes: number;
  createdAt: string;
}

/** A kernel with what a boot needs. */
export interface StoredKernel extends KernelEntry {
  /** our initramfs with this kernel's boot modules and the current agent */
  initrdPath: string;
  /** of the initrd's bytes */
  initrdSha256: string;
}

/**
 * Images of the data directory, each published by one rename; several daemons may share them. A name belongs
 * to one image at a time. An image that lost its name to a rebuild, or was deleted, stays whole as long as a
 * VM holds it.
 */
export interface ImageStore {
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
  /** Removes the name, and the files too unless a VM holds them. @throws {AppError} IMAGE_NOT_FOUND */
  delete(name: string, options: Abortable): Promise<void>;
  /** Removes images that have neither a name nor a holder, and then kernels that no image has. Idempotent. */
  prune(options: Abortable): Promise<void>;
  /** Names that {@link build} knows. */
  recipes(): readonly string[];
}

/** Kernels as folders of the data directory. */
export interface KernelStore {
  list(): Promise<KernelEntry[]>;
  /**
   * Finds a kernel, checks that its files have the recorded sizes, and builds its initrd when that is missing
   * or older than the agent.
   *
   * @throws {AppError} KERNEL_NOT_FOUND, KERNEL_DAMAGED, AGENT_NOT_FOUND.
   */
  get(name: string, options: Abortable): Promise<StoredKernel>;
}

/** A kernel package, unpacked; {@link KernelPublisher.publish} moves its files away. */
export interface UnpackedKernel {
  name: string;
  release: string;
  arch: GuestArch;
  kernelPath: string;
  configPath: string;
  /** content of `/lib/modules/<release>`, depmod(8) done */
  modulesTree: string;
}

/** The part of the kernel store that image builds use. */
export interface KernelPublisher {
  /**
   * Makes a kernel of the store, whole or not at all. One of that name that is there and whole is kept, so
   * that VMs and templates made with it stay valid.
   *
   * @throws {AppError} KERNEL_MODULES_MISSING when VMs cannot boot with it.
   */
  publish(kernel: UnpackedKernel, options: Abortable): Promise<void>;
  /** Removes every kernel but those named, and what interrupted builds left. Idempotent. */
  retainOnly(names: ReadonlySet<string>, options: Abortable): Promise<void>;
}
