import { withDeadline } from '../../../base/abort.ts';
import type { VmRecord } from '../../ports/records.ts';
import { readHostContent } from '../guest/personalise.ts';
import type { BootWorld } from '../lifecycle/boot-vm.ts';
import { makeReady, noteRuntime } from '../lifecycle/boot-vm.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { planStart } from '../plan/make-plan.ts';
import { type AdoptOptions, adoptVmm } from '../recovery/adopt-vmm.ts';

/**
 * Takes over a guest whose resume the daemon's crash interrupted after the guest had run: its saved files no
 * longer match its drives, so only this running guest has the memory. Returns false when the VM was not being
 * resumed, its VMM has exited, or its guest does not answer: the caller then ends its VMM.
 */
export async function finishResume(
  world: BootWorld & PlanWorld,
  record: VmRecord,
  options: AdoptOptions,
): Promise<boolean> {
  const { suspended } = world.files.folders(record.id);
  if ((await world.files.allocatedBytes(suspended.statePath)) === 0) return false;
  const running = await adoptVmm(world, record, options);
  if (!running) return false;
  const { signal } = options;
  world.live.add(record.id, running);
  try {
    const { probe } = await planStart(world, record, { signal });
    const begun = noteRuntime(world, record, { running, probe });
    await withDeadline(
      async (inner) => {
        const content = await readHostContent(world, { signal: inner });
        const report = (): void => {};
        await makeReady(world, begun, { report, signal: inner, running, content, isRestored: true });
      },
      { signal, deadlineMs: world.bootDeadlineMs, what: 'a resumed guest' },
    );
  } catch (error) {
    signal.throwIfAborted();
    world.log.warn('the saved memory of a guest that was being resumed is discarded', {
      vmId: record.id,
      error,
    });
    await world.live.remove(record.id);
    return false;
  }
  await world.files.removeSuspended(record.id);
  world.log.info('a resume is finished', { vmId: record.id, vm: record.name });
  return true;
}
