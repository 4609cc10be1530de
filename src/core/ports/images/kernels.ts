import type { Abortable } from '../../../base/abort.ts';
import type { Task } from '../../../protocol/events.ts';
import type { GuestArch } from './guest-arch.ts';

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
  /**
   * Finds the kernel that VMs boot whose image brings none: the newest of this host's architecture. Fetches
   * one when there is none.
   *
   * @throws {AppError} as {@link get}, and what the source of kernels throws.
   */
  getDefault(options: Task): Promise<StoredKernel>;
  /**
   * Keeps the kernel as long as the folder `holderDir` exists, as images are held.
   * Idempotent.
   *
   * @throws {AppError} KERNEL_NOT_FOUND when it was removed meanwhile.
   */
  hold(name: string, holderDir: string, options: Abortable): Promise<void>;
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
  /**
   * Removes every kernel but those named and those that VMs hold, and what interrupted builds left. With
   * `keepsDefault`, the default kernel stays too. Idempotent.
   */
  retainOnly(names: ReadonlySet<string>, options: Abortable & { keepsDefault: boolean }): Promise<void>;
}

/** A source of the kernel that VMs boot whose image brings none. */
export interface KernelSource {
  /**
   * Brings a kernel to this host and passes it to `use`; its files are removed when that has ended. A failure
   * or an abort leaves nothing.
   *
   * @throws {AppError} what is missing on this host, with the fix; HOST_NO_SPACE, IMAGE_BUILD_FAILED.
   */
  withKernel(use: (kernel: UnpackedKernel) => Promise<void>, options: Task): Promise<void>;
}
