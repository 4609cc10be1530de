import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findVm } from '../find-vm.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import type { GuestWaits } from '../world.ts';
import type { StartWorld } from './start-new.ts';
import { startVm } from './start-vm.ts';
import { stopVm } from './stop-vm.ts';

/**
 * Stops a VM and boots it again. One that does not run is only started. An abort during the stop takes effect
 * after it; the VM is then stopped.
 *
 * @throws {AppError} as {@link stopVm} and {@link startVm}.
 */
export async function restartVm(
  world: StartWorld & PlanWorld & Pick<GuestWaits, 'syncLimits'>,
  ref: string,
  options: Task,
): Promise<VmRecord> {
  // By id from here on, so that a rename meanwhile cannot make this start another VM.
  const { id } = findVm(world.records, ref);
  await stopVm(world, id, options);
  options.signal.throwIfAborted();
  return await startVm(world, id, { ...options, isCold: false });
}
