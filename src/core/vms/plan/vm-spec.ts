import type { VmRecord } from '../../ports/records.ts';
import type { DriverProbe } from '../../ports/vmm/driver.ts';
import type { BootSource, DriveSpec, VmSpec } from '../../ports/vmm/spec.ts';
import type { VmHost } from '../world.ts';
import type { VmPlan } from './vm-plan.ts';

/** The driver's spec for a record whose drives exist. */
export function vmSpecOf(
  world: Pick<VmHost, 'files'>,
  { id, name, shape, drives = [], nat }: VmRecord,
  { boot, accelerator }: { boot: BootSource; accelerator: DriverProbe['accelerator'] },
): VmSpec {
  return { ...specOf(world, id, { shape, boot, accelerator, drives, hasNat: nat }), vmName: name };
}

/** The driver's spec for a VM without a record, which has no network. */
export function specWithoutRecord(
  world: Pick<VmHost, 'files'>,
  vmId: string,
  { plan: { shape, boot, probe }, drives }: { plan: VmPlan; drives: readonly DriveSpec[] },
): VmSpec {
  return specOf(world, vmId, { shape, boot, accelerator: probe.accelerator, drives, hasNat: false });
}

function specOf(
  world: Pick<VmHost, 'files'>,
  vmId: string,
  {
    shape,
    boot,
    accelerator = 'tcg',
    drives,
    hasNat,
  }: Pick<VmPlan, 'shape' | 'boot'> & {
    accelerator: DriverProbe['accelerator'];
    drives: readonly DriveSpec[];
    hasNat: boolean;
  },
): VmSpec {
  const { runtimeDir, baseDir, consoleLogPath, vmmLogPath } = world.files.folders(vmId);
  return {
    vmId,
    vcpuCount: shape.vcpuCount,
    memoryMib: shape.memoryMib,
    accelerator,
    bootSource: boot,
    drives,
    hasNat,
    runtimeDir,
    baseDir,
    consoleLogPath,
    vmmLogPath,
  };
}
