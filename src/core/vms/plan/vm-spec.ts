import type { VmRecord } from '../../ports/records.ts';
import type { DriverProbe } from '../../ports/vmm/driver.ts';
import type { BootSource, DriveSpec, VmSpec } from '../../ports/vmm/spec.ts';
import { networkOf } from '../network/network-of.ts';
import type { VmHost } from '../world.ts';
import type { VmPlan } from './vm-plan.ts';

/** The driver's spec for a record whose drives exist. */
export function vmSpecOf(
  world: Pick<VmHost, 'files'>,
  record: VmRecord,
  { boot, accelerator }: { boot: BootSource; accelerator: DriverProbe['accelerator'] },
): VmSpec {
  const { id, name, shape, drives = [] } = record;
  const network = networkOf(record);
  return { ...specOf(world, id, { shape, boot, accelerator, drives, network }), vmName: name };
}

/** The driver's spec for a VM without a record, which has no network. */
export function specWithoutRecord(
  world: Pick<VmHost, 'files'>,
  vmId: string,
  { plan: { shape, boot, probe }, drives }: { plan: VmPlan; drives: readonly DriveSpec[] },
): VmSpec {
  return specOf(world, vmId, {
    shape,
    boot,
    accelerator: probe.accelerator,
    drives,
    network: { mode: 'none' },
  });
}

function specOf(
  world: Pick<VmHost, 'files'>,
  vmId: string,
  {
    shape,
    boot,
    accelerator = 'tcg',
    drives,
    network,
  }: Pick<VmPlan, 'shape' | 'boot'> & {
    accelerator: DriverProbe['accelerator'];
    drives: readonly DriveSpec[];
    network: VmSpec['network'];
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
    network,
    runtimeDir,
    baseDir,
    consoleLogPath,
    vmmLogPath,
  };
}
