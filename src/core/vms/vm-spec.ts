import type { VmRecord } from '../ports/records.ts';
import type { BootSource, DriverProbe, VmSpec } from '../ports/vmm.ts';
import type { VmWorld } from './world.ts';

/** What the driver is told to run for a record whose drives are made. */
export function vmSpecOf(
  world: VmWorld,
  record: VmRecord,
  { boot, accelerator }: { boot: BootSource; accelerator: DriverProbe['accelerator'] },
): VmSpec {
  const folders = world.files.folders(record.id);
  return {
    vmId: record.id,
    vcpuCount: record.shape.vcpuCount,
    memoryMib: record.shape.memoryMib,
    accelerator: accelerator ?? 'tcg',
    bootSource: boot,
    drives: record.drives ?? [],
    hasNat: record.nat,
    runtimeDir: folders.runtimeDir,
    consoleLogPath: folders.consoleLogPath,
    vmmLogPath: folders.vmmLogPath,
  };
}
