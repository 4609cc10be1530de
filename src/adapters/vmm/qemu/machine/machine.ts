import type { BootSource } from '../../../../core/ports/vmm/spec.ts';

/** Frequencies that an emulated guest need not measure; absent when they are not known. */
export interface KnownClocks {
  /** of the guest kernel's timer, in Hz */
  timerHz?: number | undefined;
  /** of the host's TSC, in kHz */
  tscKhz?: number | undefined;
}

/** What depends on the architecture of guests: their machine in QEMU, and how a kernel boots on it. */
export interface Machine {
  /** the QEMU that has it */
  program: string;
  /** the machine type that this QEMU must offer */
  type: string;
  /** the type to use of those that a QEMU offers: the same, or a version of it */
  typeIn: (offered: ReadonlySet<string>) => string;
  /** options of `-machine`, after the type */
  options: string;
  /**
   * the processor of emulated guests: everything that QEMU can emulate, except what only slows emulation down
   */
  emulatedCpu: string;
  /** the kernel's name of the serial port */
  console: string;
  /** words of the kernel command line, on KVM too */
  bootArgs: readonly string[];
  /** more words, for emulated guests */
  emulationArgs: (clocks: KnownClocks) => string[];
  /** the kernel file that is booted */
  kernelFile: (boot: Pick<BootSource, 'kernelPath' | 'vmlinuxPath'>) => string;
  /**
   * the kernel of an emulated guest may notice during boot that its timer does not work, and restarts then
   */
  mayLackTimer: boolean;
}
