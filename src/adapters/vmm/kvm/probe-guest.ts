import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import type { BootSource, VmSpec } from '../../../core/ports/vmm/spec.ts';
import type { Accelerator } from '../../../protocol/vm.ts';
import { PROBE_MARKER, PROBE_MEMORY_MIB } from './kvm.ts';

/**
 * The guest of a test boot: the kernel of a VM and its command line, without drives. Its files are in `dir`.
 */
export function probeSpec({
  boot,
  accelerator,
  dir,
}: {
  boot: BootSource;
  accelerator: Accelerator;
  dir: string;
}): VmSpec {
  return {
    vmId: 'probe',
    vcpuCount: 1,
    memoryMib: PROBE_MEMORY_MIB,
    accelerator,
    bootSource: { ...boot, bootArgs: [...boot.bootArgs, 'banger.mode=probe'] },
    drives: [],
    network: { mode: 'none' },
    runtimeDir: dir,
    consoleLogPath: join(dir, 'console.log'),
    vmmLogPath: join(dir, 'vmm.log'),
  };
}

/** Whether that guest has reached its initramfs, which then says so on its console. */
export async function hasReachedInitramfs({
  consoleLogPath,
}: Pick<VmSpec, 'consoleLogPath'>): Promise<boolean> {
  try {
    return (await readFile(consoleLogPath, 'latin1')).includes(PROBE_MARKER);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
