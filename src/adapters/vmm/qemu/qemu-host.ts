import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';

/** What a QEMU command line depends on besides the VM. */
export interface QemuHost {
  /** path of `qemu-system-*` */
  binary: string;
  arch: GuestArch;
  /** machine type; {@link machineOf} */
  machine: string;
  /** frequency of the host's TSC, when known; an emulated guest has the same */
  tscKhz?: number;
  /** QEMU runs as root; default `false` */
  isRoot?: boolean;
  /**
   * path of `banger-host`, which puts the second wall around QEMU; without it QEMU has only its own seccomp
   * filter
   */
  hostTools?: string;
}

/** The program that runs guests of `arch`. */
export function qemuProgram(arch: GuestArch): string {
  return arch === 'amd64' ? 'qemu-system-x86_64' : 'qemu-system-aarch64';
}

/**
 * The version of arm64's machine that is used where available: that of the oldest QEMU in wide use, which
 * newer ones keep for many years.
 */
const PREFERRED_VIRT = 'virt-7.2';

/**
 * The machine for guests of `arch`, chosen from the `machines` that a QEMU offers. A versioned machine is the
 * same in every QEMU that has it, so a saved guest outlives an upgrade of QEMU; microvm has no versions.
 */
export function machineOf(arch: GuestArch, machines: ReadonlySet<string>): string {
  if (arch === 'amd64') return 'microvm';
  if (machines.has(PREFERRED_VIRT)) return PREFERRED_VIRT;
  const versions = [...machines].flatMap((name) => {
    const [, major, minor] = /^virt-([0-9]+)\.([0-9]+)$/.exec(name) ?? [];
    return major === undefined ? [] : [{ name, order: Number(major) * 1000 + Number(minor) }];
  });
  return versions.sort((a, b) => b.order - a.order)[0]?.name ?? 'virt';
}
