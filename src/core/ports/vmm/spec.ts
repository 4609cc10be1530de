import type { Accelerator } from '../../../protocol/vm.ts';
import type { GuestArch } from '../images/guest-arch.ts';
import type { NetworkSpec } from './network.ts';

/** A host file that the guest sees as a block device and finds by its serial. */
export interface DriveSpec {
  serial: 'root' | 'overlay' | 'work' | 'modules';
  pathOnHost: string;
  format: 'raw' | 'qcow2';
  isReadOnly: boolean;
  /** size as the guest sees it; checked at each start, so that a truncated file never reaches a guest */
  sizeBytes: number;
  /** the file that has what was never written to this drive; absent: zeros */
  base?: DriveBase;
}

/** A raw image below a writable drive. Several drives may share it; none of their VMMs can write to it. */
export interface DriveBase {
  pathOnHost: string;
  /** at most the drive's; checked as that is */
  sizeBytes: number;
}

/** Kernel, initrd, and the kernel command line without what the driver adds (console, clocks). */
export interface BootSource {
  /** of the kernel, and so of the guest */
  arch: GuestArch;
  kernelPath: string;
  /**
   * the same kernel as an ELF file, when there is one; some drivers boot it faster, others boot nothing else
   */
  vmlinuxPath?: string;
  initrdPath: string;
  bootArgs: readonly string[];
  /** the kernel's `CONFIG_HZ`, when known; an emulated kernel then boots without measuring its processors */
  timerHz?: number;
}

/** All a driver needs to run one VM. Drivers turn it into argv or requests with a pure function. */
export interface VmSpec {
  vmId: string;
  /** for errors; absent for a VM that users cannot name */
  vmName?: string;
  vcpuCount: number;
  memoryMib: number;
  accelerator: Accelerator;
  bootSource: BootSource;
  drives: readonly DriveSpec[];
  /** connected before the start returns; `RunningVm.setNetwork` changes it */
  network: NetworkSpec;
  /**
   * folder of this VM's sockets; exists, mode 0700; a second VMM of the same VM uses a folder inside it
   */
  runtimeDir: string;
  /** folder for the bases of this VM's drives, now and later; exists, and the VMM can only read it */
  baseDir?: string;
  /** serial console output, appended */
  consoleLogPath: string;
  /** the VMM's own stdout and stderr, appended */
  vmmLogPath: string;
}

/** The work disk of a new VM. */
export type WorkDiskRequest = Pick<DriveRequest, 'dir' | 'diskSizeBytes' | 'workBase'>;

/** Drives of a new VM. */
export interface DriveRequest {
  /** the VM's folder, exists */
  dir: string;
  rootfsPath: string;
  modulesPath: string;
  /** size of the overlay drive: store and linear tail together (`core/overlay-size.ts`) */
  overlayBytes: number;
  diskSizeBytes: number;
  /** drives of the same sizes, in use by no VMM, to copy instead of making blank ones */
  copyOf?: readonly DriveSpec[];
  /**
   * the base of the work disk: a file system that is used instead of a blank one. A copied work disk must
   * have a base with the same content.
   */
  workBase?: DriveBase;
}
