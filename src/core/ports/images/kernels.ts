import type { Abortable } from '../../../base/abort.ts';
import type { Task } from '../../../protocol/events.ts';
import type { GuestArch } from './guest-arch.ts';

/** Where a kernel comes from: a package of the distribution, or a file of the user. */
export type KernelOrigin = { kind: 'package' } | { kind: 'file'; path: string };

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
  origin: KernelOrigin;
  /** the user asked for it, so that it stays until the user deletes it */
  isKept: boolean;
}

/** A kernel that the distribution has. */
export interface AvailableKernel {
  /** the name that it has in the store */
  name: string;
  release: string;
  arch: GuestArch;
  /** `bytes` of its package */
  downloadBytes: number;
}

/** A kernel of the user's own to import. */
export interface NewKernel {
  name: string;
  /** of the kernel's file, or of a folder with it */
  path: string;
  /** the content of `/lib/modules/<release>`; absent: looked for near the kernel */
  modulesPath?: string;
  /** its `.config`; absent: looked for near the kernel and in it */
  configPath?: string;
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
   * Finds the kernel that VMs boot whose image brings none: the newest of their architecture that comes from
   * a package. Fetches one when there is none.
   *
   * @throws {AppError} as {@link get}, and what the source of kernels throws.
   */
  getDefault(arch: GuestArch, options: Task): Promise<StoredKernel>;
  /**
   * The newest kernel that the distribution has, for each architecture.
   *
   * @throws {AppError} what the source of kernels throws.
   */
  available(options: Task): Promise<AvailableKernel[]>;
  /**
   * Makes the newest kernel that the distribution has for `arch` one of the store, if it is not, and keeps
   * it.
   *
   * @throws {AppError} what the source of kernels throws.
   */
  pull(arch: GuestArch, options: Task): Promise<KernelEntry>;
  /**
   * Makes a kernel of the user's files one of the store and keeps it; the files are only read. Reports as
   * notices what guests lack with it.
   *
   * @throws {AppError} KERNEL_NAME_INVALID, KERNEL_EXISTS, KERNEL_FILE_INVALID, KERNEL_OPTIONS_MISSING,
   * KERNEL_MODULES_MISSING.
   */
  importFiles(request: NewKernel, options: Task): Promise<KernelEntry>;
  /**
   * Removes a kernel; the caller has checked that no image needs it.
   *
   * @throws {AppError} KERNEL_NOT_FOUND; KERNEL_IN_USE when a VM holds it.
   */
  delete(name: string, options: Abortable): Promise<void>;
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
  /** default: a package */
  origin?: KernelOrigin;
}

/** What was removed from a kernel store, or would be. */
export interface RemovedKernels {
  kernelCount: number;
  /** those of removed kernels do not count */
  initrdCount: number;
  /** `bytes` on disk */
  bytes: number;
}

/** What a kernel store takes on disk. */
export interface KernelUsage {
  kernels: { count: number; bytes: number };
  initrds: { count: number; bytes: number };
}

/** Which kernels {@link KernelPublisher.retainOnly} keeps. */
export interface RetainKernels extends Abortable {
  /** the default kernels of these architectures stay too */
  defaultsOf: ReadonlySet<GuestArch>;
  /** only counts */
  isDryRun?: boolean;
}

/** The part of the kernel store that the image store uses. */
export interface KernelPublisher {
  /**
   * Makes a kernel of the store, whole or not at all. One of that name that is there and whole is kept, so
   * that VMs and templates made with it stay valid.
   *
   * @throws {AppError} KERNEL_MODULES_MISSING when VMs cannot boot with it.
   */
  publish(kernel: UnpackedKernel, options: Abortable): Promise<void>;
  /**
   * Removes every kernel but those named, those that the user keeps and those that VMs hold, and what
   * interrupted builds left. Then removes the initrds with an agent that is not the current one, unless a
   * start has used them within the last hour: another version of banger may share the store. Nothing needs
   * them: a VMM has read its initrd when its guest runs, a saved guest is resumed with the current one, and
   * another version makes its own again. Idempotent.
   */
  retainOnly(names: ReadonlySet<string> | 'all', options: RetainKernels): Promise<RemovedKernels>;
  /** Measures what the kernels take on disk. Damaged ones are left out. */
  diskUsage(): Promise<KernelUsage>;
}

/** A source of the kernels that VMs boot whose image brings none. */
export interface KernelSource {
  /**
   * Brings a kernel for `arch` to this host and passes it to `use`; its files are removed when that has
   * ended. A failure or an abort leaves nothing.
   *
   * @throws {AppError} what is missing on this host, with the fix; HOST_NO_SPACE, IMAGE_BUILD_FAILED.
   */
  withKernel(arch: GuestArch, use: (kernel: UnpackedKernel) => Promise<void>, options: Task): Promise<void>;
  /** The newest kernel of each architecture; brings none of them. @throws as {@link withKernel}. */
  available(options: Task): Promise<AvailableKernel[]>;
}
