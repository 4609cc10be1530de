import type { Abortable } from '../../../base/abort.ts';
import { invariant } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import { readHostContent } from '../guest/personalise.ts';
import type { BootWorld } from '../lifecycle/boot-vm.ts';
import { makeReady, noteRuntime } from '../lifecycle/boot-vm.ts';
import { replaceWorkDisk } from '../lifecycle/replace-work-disk.ts';
import { networkOf } from '../network/network-of.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
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
    await plan.driver.removeDrives(poolVm.drives);
    await world.files.sweepDrives(record.id, []);
  });
  undo.defer('kill the VMM', () => running.kill());
  const { diskSizeBytes } = plan.shape;
  const drives = await workDiskFor(world, record, { poolVm, diskSizeBytes, signal });
  const begun = noteRuntime(world, { ...record, drives }, { running, probe: plan.probe });
  world.live.add(record.id, running, agent);
  undo.defer('forget the VMM', () => world.live.remove(record.id));
  if (record.network.mode !== 'none') await running.setNetwork(networkOf(record), { signal });
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

/** Gives the guest the work disk of its VM. Returns the drives that the VMM then has. */
async function workDiskFor(
  world: BootWorld,
  { id, workBase }: VmRecord,
  { poolVm, diskSizeBytes, signal }: Abortable & { poolVm: PoolVm; diskSizeBytes: number },
): Promise<PoolVm['drives']> {
  const { workDisk, drives, agent } = poolVm;
  if (workDisk?.base) {
    invariant(workBase, 'a VM without a base has claimed a guest with one');
    return drives;
  }
  const isReleased = workDisk !== undefined;
  if (workBase) {
    return await replaceWorkDisk(world, { id, workBase }, { ...poolVm, isReleased, diskSizeBytes, signal });
  }
  if (isReleased) await agent.personalise({ workDisk: 'mount' }, { signal });
  return drives;
}
