import { open, readFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { arch } from 'node:process';
import { AppError, isErrno } from '../../base/errors.ts';
import type { GuestArch } from '../../core/ports/images/guest-arch.ts';

/**
 * Facts about this host that decide on accelerators and clocks. Injected, so that every decision can be
 * tested as a table.
 */
export interface HostFacts {
  /** architecture of the host, and therefore of its guests */
  readonly arch: GuestArch;
  /** text of proc(5) /proc/cpuinfo */
  cpuInfo(): Promise<string>;
  /** id of this boot of the host */
  bootId(): Promise<string>;
  /**
   * why /dev/kvm cannot be opened (`ENOENT`, `EACCES`, ...), `undefined` when it can; opening it does not
   * prove that it works
   */
  kvmOpenError(): Promise<string | undefined>;
  /**
   * runnable processes per processor, averaged over the last minute; 1 means that all processors are just
   * busy
   */
  load(): number;
}

/**
 * The facts of this machine.
 *
 * @throws {AppError} VMM_HOST_UNSUPPORTED on a processor that has no guests.
 */
export function linuxHostFacts(): HostFacts {
  return {
    arch: guestArch(),
    cpuInfo: () => readFile('/proc/cpuinfo', 'utf8'),
    bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
    kvmOpenError,
    load: () => (loadavg()[0] ?? 0) / availableParallelism(),
  };
}

function guestArch(): GuestArch {
  if (arch === 'x64') return 'amd64';
  if (arch === 'arm64') return 'arm64';
  throw new AppError(
    'VMM_HOST_UNSUPPORTED',
    `Cannot run VMs on a "${arch}" processor: only x64 and arm64 are known`,
  );
}

async function kvmOpenError(): Promise<string | undefined> {
  try {
    await (await open('/dev/kvm', 'r+')).close();
    return undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ENODEV', 'ENXIO', 'EBUSY', 'EIO')) return error.code;
    throw error;
  }
}

/** Returns true when /proc/cpuinfo shows one of `flags` for the first processor. */
export function hasCpuFlag(cpuInfo: string, ...flags: string[]): boolean {
  const offered = new Set(/^flags\s*:(.*)$/m.exec(cpuInfo)?.[1]?.trim().split(/\s+/));
  return flags.some((flag) => offered.has(flag));
}
