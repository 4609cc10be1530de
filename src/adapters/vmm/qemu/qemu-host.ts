import type { GuestArch } from '../../../core/ports/images.ts';

/** What a QEMU command line takes from the host. */
export interface QemuHost {
  /** path of `qemu-system-*` */
  binary: string;
  arch: GuestArch;
  /** frequency of the host's TSC, when known; it is the guest's too under emulation */
  tscKhz?: number;
  /** path of `banger-host`, which puts the second wall around QEMU; without it QEMU runs behind its own seccomp filter alone */
  hostTools?: string;
}

/** The program that runs guests of `arch`. */
export function qemuProgram(arch: GuestArch): string {
  return arch === 'amd64' ? 'qemu-system-x86_64' : 'qemu-system-aarch64';
}
