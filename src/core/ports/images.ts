import type { Abortable } from '../../base/abort.ts';
import type { Report } from '../../protocol/events.ts';

/** An image of the store; its files are never written again. */
export interface StoredImage {
  name: string;
  /** `sha256:...` over what it was built from and its root file system */
  id: string;
  arch: 'amd64' | 'arm64';
  distro: string;
  /** name in the kernel store */
  kernelName: string;
  rootfsPath: string;
  sizeBytes: number;
  diskBytes: number;
  createdAt: string;
}

/** A kernel of the store with what a boot needs. */
export interface StoredKernel {
  name: string;
  release: string;
  arch: 'amd64' | 'arm64';
  kernelPath: string;
  /** ext4 image with the content of `/lib/modules/<release>` */
  modulesPath: string;
  /** our initramfs with this kernel's boot modules, made when missing */
  initrdPath: string;
  diskBytes: number;
  createdAt: string;
}

/**
 * Images as folders of the data directory, published by one rename; several daemons may share them.
 */
export interface ImageStore {
  list(): Promise<StoredImage[]>;
  /**
   * Finds an image and checks that its files have the recorded sizes.
   *
   * @throws {AppError} IMAGE_NOT_FOUND (hint: how to build it), IMAGE_DAMAGED when a file is cut short or missing.
   */
  get(name: string): Promise<StoredImage>;
  /**
   * Builds the image `name` with its kernel. Callers of the same name at once, in this or another process, share one build. An interrupted
   * build leaves nothing.
   *
   * @throws {AppError} IMAGE_UNKNOWN when there is no recipe of that name; IMAGE_TOOL_MISSING naming the package; HOST_NO_SPACE before and during;
   * IMAGE_BUILD_FAILED.
   */
  build(name: string, options: Abortable & { force: boolean; report: Report }): Promise<StoredImage>;
  /** Removes an image. @throws {AppError} IMAGE_NOT_FOUND */
  delete(name: string): Promise<void>;
  /** Names that {@link build} knows. */
  recipes(): readonly string[];
}

/** Kernels as folders of the data directory. */
export interface KernelStore {
  list(): Promise<StoredKernel[]>;
  /** @throws {AppError} KERNEL_NOT_FOUND, KERNEL_DAMAGED */
  get(name: string, options: Abortable): Promise<StoredKernel>;
}
