import { AppError } from '../../base/errors.ts';
import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import type { VmShape } from '../../protocol/vm.ts';
import { MIN_MEMORY_MIB } from '../../protocol/vm-limits.ts';

/** Most virtual CPUs of a VM. It may have more than the host has processors, which they then share. */
export const MAX_VCPU_COUNT = 64;

// The limits that the host does not set: below them the guest does not boot or is useless.
const MIN_DISK_BYTES = 64 * 2 ** 20;
const MAX_DISK_BYTES = 4 * 2 ** 40;

/** Disks are whole blocks of their file system. */
const DISK_STEP_BYTES = 4096;

/** What this host has: its memory limits that of a VM. */
export interface HostLimits {
  cpuCount: number;
  memoryMib: number;
}

/**
 * Fills the missing parts of a shape from `defaults` and checks all of it.
 *
 * @throws {AppError} VM_SHAPE_INVALID naming every bad field and what it may be.
 */
export function resolveShape(
  given: { [K in keyof VmShape]?: VmShape[K] | undefined },
  { defaults, host }: { defaults: VmShape; host: HostLimits },
): VmShape {
  const shape: VmShape = {
    vcpuCount: given.vcpuCount ?? defaults.vcpuCount,
    memoryMib: given.memoryMib ?? defaults.memoryMib,
    diskSizeBytes: given.diskSizeBytes ?? defaults.diskSizeBytes,
    systemOverlaySizeBytes: given.systemOverlaySizeBytes ?? defaults.systemOverlaySizeBytes,
  };
  const problems = [
    range('vcpu', shape.vcpuCount, {
      min: 1,
      max: MAX_VCPU_COUNT,
      show: String,
      why: `a VM has at most ${MAX_VCPU_COUNT} virtual CPUs`,
    }),
    range('memory', shape.memoryMib, {
      min: MIN_MEMORY_MIB,
      max: host.memoryMib,
      show: (n) => `${n} MiB`,
      why: `this host has ${host.memoryMib} MiB`,
    }),
    range('disk-size', shape.diskSizeBytes, DISK_RANGE),
    range('system-overlay-size', shape.systemOverlaySizeBytes, DISK_RANGE),
  ].filter((p) => p !== undefined);
  if (problems.length > 0) {
    throw new AppError('VM_SHAPE_INVALID', problems.map((p) => p.message).join('; '), {
      hint: problems.map((p) => p.allowed).join('; '),
      details: { fields: problems.map((p) => p.field) },
    });
  }
  return shape;
}

/** Says that a VM has more virtual CPUs than the host has processors; nothing when it does not. */
export function sharedCpusNotice(
  { vcpuCount }: Pick<VmShape, 'vcpuCount'>,
  { cpuCount }: Pick<HostLimits, 'cpuCount'>,
): string | undefined {
  if (vcpuCount <= cpuCount) return undefined;
  return `${vcpuCount} virtual CPUs share the ${plural(cpuCount, 'processor')} of this host`;
}

interface Range {
  min: number;
  max: number;
  show: (value: number) => string;
  /** only multiples of this; default 1 */
  step?: number;
  /** why the maximum is what it is */
  why?: string;
}

const DISK_RANGE: Range = {
  min: MIN_DISK_BYTES,
  max: MAX_DISK_BYTES,
  step: DISK_STEP_BYTES,
  show: formatSize,
};

function range(
  field: string,
  value: number,
  { min, max, show, step = 1, why }: Range,
): { field: string; message: string; allowed: string } | undefined {
  const isInRange = value >= min && value <= max;
  if (Number.isSafeInteger(value) && isInRange && value % step === 0) return undefined;
  const wrong = step === 1 ? 'not a whole number' : `not a multiple of ${show(step)}`;
  const reason = isInRange ? wrong : value > max && why ? `more than allowed: ${why}` : 'out of range';
  return {
    field,
    message: `Cannot use ${field} ${show(value)}: ${reason}`,
    allowed: `${field} may be ${show(min)} to ${show(max)}`,
  };
}
