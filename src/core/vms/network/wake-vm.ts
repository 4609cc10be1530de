import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { VmState } from '../../../protocol/vm.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findRunningVm, findVm } from '../find-vm.ts';
import type { StartWorld } from '../lifecycle/start-new.ts';
import { startVm } from '../lifecycle/start-vm.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import type { VmNetwork } from '../world.ts';

/** What waking a VM works on. */
export type WakeWorld = StartWorld & PlanWorld & Pick<VmNetwork, 'waking'>;

/** States that lead to a running VM, or from which it is resumed. */
const WAKING: readonly VmState[] = ['suspending', 'suspended', 'resuming', 'starting'];

/**
 * Returns the record of a VM that runs; resumes it first when it is suspended, and waits for a suspend or a
 * start under way. Callers at the same time share one resume, which is cancelled when all of them abort.
 *
 * @throws {AppError} VM_NOT_FOUND; VM_NOT_RUNNING for a VM that has no memory to resume from; what a resume
 * throws.
 */
export async function wakeVm(world: WakeWorld, ref: string, { signal }: Abortable): Promise<VmRecord> {
  const record = findVm(world.records, ref);
  if (!WAKING.includes(record.state)) return findRunningVm(world.records, record.id);
  const resume = async (held: AbortSignal): Promise<VmRecord> => {
    const options = { isCold: false, onlyResume: true, report: () => {}, signal: held };
    return await startVm(world, record.id, options);
  };
  try {
    return await world.waking.run(record.id, resume, { signal });
  } catch (error) {
    if (!isAppError(error, 'VM_NOT_SUSPENDED')) throw error;
    return findRunningVm(world.records, record.id);
  }
}
