import { parseSize } from '../base/text/size.ts';
import type { VmShape } from '../protocol/vm.ts';

/** The source of a default: the config file, the size of this host, or banger's own minimum. */
export type Provenance = 'config' | 'auto' | 'builtin';

/** A default and its source. */
export interface VmDefault {
  value: number;
  from: Provenance;
}

/** One default for each part of a shape. */
export type VmDefaults = Readonly<Record<keyof VmShape, VmDefault>>;

/** Size of this host. */
export interface HostSize {
  cpuCount: number;
  memoryMib: number;
}

const FLOOR_VCPU = 2;
const CEILING_VCPU = 4;
const FLOOR_MEMORY_MIB = 2048;
const CEILING_MEMORY_MIB = 8192;
const DISK_BYTES = parseSize('8G', 'disk size');

/**
 * Returns the defaults of a VM's shape. The config file comes first. Otherwise a VM gets a quarter of the
 * CPUs (at most 4) and an eighth of the memory (at most 8 GiB), but at least 2 vCPUs (at most all CPUs) and
 * 2,048 MiB (at most half of the memory). Disks are 8 GiB.
 */
export function vmDefaults(configured: Partial<VmShape>, host: HostSize): VmDefaults {
  const pick = (field: keyof VmShape, other: VmDefault): VmDefault => {
    const value = configured[field];
    return value === undefined ? other : { value, from: 'config' };
  };
  return {
    vcpuCount: pick(
      'vcpuCount',
      share(host.cpuCount / 4, { floor: Math.min(FLOOR_VCPU, host.cpuCount), ceiling: CEILING_VCPU }),
    ),
    memoryMib: pick(
      'memoryMib',
      share(host.memoryMib / 8, {
        floor: Math.min(FLOOR_MEMORY_MIB, Math.floor(host.memoryMib / 2)),
        ceiling: CEILING_MEMORY_MIB,
      }),
    ),
    diskSizeBytes: pick('diskSizeBytes', { value: DISK_BYTES, from: 'builtin' }),
    systemOverlaySizeBytes: pick('systemOverlaySizeBytes', { value: DISK_BYTES, from: 'builtin' }),
  };
}

function share(part: number, { floor, ceiling }: { floor: number; ceiling: number }): VmDefault {
  const value = Math.min(Math.floor(part), ceiling);
  return value >= floor ? { value, from: 'auto' } : { value: floor, from: 'builtin' };
}
