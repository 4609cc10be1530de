import type { Abortable } from '../../../base/abort.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { DriveSpec } from '../../ports/vmm/spec.ts';
import { readHostContent } from '../guest/personalise.ts';
import type { BootWorld } from '../lifecycle/boot-vm.ts';
import { makeReady, noteRuntime } from '../lifecycle/boot-vm.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import type { VmHost } from '../world.ts';
import type { PoolVm } from './pool-vm.ts';

/**
 * Claims a pool VM for a new record that has its id and folders: personalises the guest as after any restore.
 * The caller holds the VM's lock. After a failure or an abort its VMM and drives are gone, and the record is
 * unchanged.
 *
 * @throws {AppError} as `bootVm`; VMM_LOST, VMM_REFUSED.
 */
export async function claimPoolVm(
  world: BootWorld,
  record: VmRecord,
  { poolVm, plan, report, signal }: Task & { poolVm: PoolVm; plan: VmPlan },
): Promise<VmRecord> {
  const { running, agent } = poolVm;
  report({ event: 'progress', stage: 'claim', detail: 'a pool VM' });
  const reading = readHostContent(world, { signal });
  await using undo = new ResourceStack();
  undo.defer('remove the drives', async () => {
    world.records.update(record);
    await world.driver.removeDrives(poolVm.drives);
    await world.files.sweepDrives(record.id, []);
  });
  undo.defer('kill the VMM', () => running.kill());
  const drives = await drivesFor(world, record, { poolVm, plan, signal });
  const begun = noteRuntime(world, { ...record, drives }, { running, probe: plan.probe });
  world.live.add(record.id, running, agent);
  undo.defer('forget the VMM', () => world.live.remove(record.id));
  if (record.nat) await running.setNat(true, { signal });
  const content = await reading;
  const ready = await makeReady(world, begun, {
    report,
    signal,
    running,
    content,
    isRestored: true,
    isNew: true,
  });
  undo.move();
  return ready;
}

/** The drives of the VM: those of the pool VM, with another work disk when the VM's is to have a base. */
async function drivesFor(
  world: Pick<VmHost, 'driver' | 'files'>,
  { id, workBase }: VmRecord,
  { poolVm: { running, drives }, plan, signal }: Abortable & { poolVm: PoolVm; plan: VmPlan },
): Promise<readonly DriveSpec[]> {
  if (!workBase) return drives;
  const dir = await world.files.createDriveDir(id);
  const { diskSizeBytes } = plan.shape;
  const work = await world.driver.prepareWorkDisk({ dir, diskSizeBytes, workBase }, { signal });
  await running.replaceDrive(work, { signal });
  await world.driver.removeDrives(drives.filter(({ serial }) => serial === 'work'));
  return drives.map((drive) => (drive.serial === 'work' ? work : drive));
}
