import type { Abortable } from '../../../base/abort.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { DriveBase, DriveSpec } from '../../ports/vmm/spec.ts';
import { driverOf } from '../vm-drivers.ts';
import type { VmHost } from '../world.ts';

/** What {@link replaceWorkDisk} needs. */
export interface ReplaceWorkDiskOptions extends Abortable {
  driverName: string;
  running: RunningVm;
  agent: GuestAgent;
  /** what the VMM has */
  drives: readonly DriveSpec[];
  diskSizeBytes: number;
  /** the guest has already released the template's disk */
  isReleased?: boolean;
}

/**
 * Puts a work disk over a VM's base in the place of the template's, which a restored guest has mounted and
 * nobody has used yet. Afterwards none is mounted: personalising does that. Returns the drives that the VMM
 * then has. After a failure the guest must not be used.
 *
 * @throws {AppError} GUEST_FAILED when a program in the guest uses the disk; VMM_LOST, VMM_REFUSED,
 * VMM_DRIVE_INVALID.
 */
export async function replaceWorkDisk(
  world: Pick<VmHost, 'drivers' | 'files'>,
  { id, workBase }: { id: string; workBase: DriveBase },
  { driverName, running, agent, drives, diskSizeBytes, isReleased = false, signal }: ReplaceWorkDiskOptions,
): Promise<readonly DriveSpec[]> {
  const driver = driverOf(world, { driverName, name: id });
  const dir = await world.files.createDriveDir(id);
  const work = await driver.prepareWorkDisk({ dir, diskSizeBytes, workBase }, { signal });
  if (!isReleased) await agent.personalise({ workDisk: 'release' }, { signal });
  await running.replaceDrive(work, { signal });
  await driver.removeDrives(drives.filter(({ serial }) => serial === 'work'));
  return drives.map((drive) => (drive.serial === 'work' ? work : drive));
}
