import { type Abortable, neverAborts } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
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
 * start under way. Callers at the same time share one resume. An abort of `signal` ends the caller's wait; a
 * resume that has begun continues.
 *
 * @throws {AppError} VM_NOT_FOUND; VM_NOT_RUNNING for a VM that has no memory to resume from; what a resume
 * throws.
 */
export async function wakeVm(world: WakeWorld, ref: string, { signal }: Abortable): Promise<VmRecord> {
  const record = findVm(world.records, ref);
  if (!WAKING.includes(record.state)) return findRunningVm(world.records, record.id);
  const resume = async (): Promise<VmRecord> => {
    // Runs to its end even when every caller has left, because a resume that is cut off after the guest ran
    // costs the guest's memory: no short timeout of a client may do that.
    const options = { isCold: false, onlyResume: true, report: () => {}, signal: neverAborts() };
    return await startVm(world, record.id, options);
  };
  try {
    return await abortable(world.waking.run(record.id, resume, { signal: neverAborts() }), signal);
  } catch (error) {
    if (!isAppError(error, 'VM_NOT_SUSPENDED')) throw error;
    return findRunningVm(world.records, record.id);
  }
}
