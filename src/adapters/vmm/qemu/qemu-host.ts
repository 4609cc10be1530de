import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';

/** What a QEMU command line depends on besides the VM. */
export interface QemuHost {
  /** path of `qemu-system-*` */
  binary: string;
  /** of the guest */
  arch: GuestArch;
  /** machine type; `Machine.typeIn` */
  machine: string;
  /** frequency of the host's TSC, when known; an emulated guest has the same */
  tscKhz?: number;
  /**
   * path of `banger-host`, which puts the second wall around QEMU; without it QEMU has only its own seccomp
   * filter
   */
  hostTools?: string;
}
