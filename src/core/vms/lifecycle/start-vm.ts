import { AppError, isAbort } from '../../../base/errors.ts';
import { errorBodyOf } from '../../../protocol/error-body.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findVm } from '../find-vm.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { planStart } from '../plan/make-plan.ts';
import { dropSuspended } from '../saved/drop-suspended.ts';
import { resumeVm } from '../saved/suspend-vm.ts';
import { bootVm, noteAccelerator } from './boot-vm.ts';
import type { StartWorld } from './start-new.ts';
import { startNew } from './start-new.ts';

/** How a VM is started. */
export interface StartOptions extends Task {
  /** boot even where a saved guest could be resumed */
  isCold: boolean;
  /** refuse a VM that is not suspended */
  onlyResume?: boolean | undefined;
}

/**
 * Starts a VM; a running one is left alone. A suspended one is resumed or, with `isCold`, booted, which loses
 * its memory. After a failure the VM is in state `error` with `lastError`, after an abort in its earlier
 * state; no VMM runs, and its drives are whole.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_SUSPENDED, IMAGE_DAMAGED, KERNEL_*, and as {@link bootVm}.
 */
export async function startVm(
  world: StartWorld & PlanWorld,
  ref: string,
  { isCold, onlyResume = false, ...given }: StartOptions,
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async (held) => {
      const options = { ...given, ...held };
      let record = findVm(world.records, id);
      if (record.state === 'running') return record;
      if (onlyResume && record.state !== 'suspended') throw notSuspended(record);
      const plan = await planStart(world, record, options);
      noteAccelerator(plan.probe, options.report);
      if (record.state === 'suspended') {
        if (!isCold) return await resumeVm(world, record, { ...options, plan });
        options.report({
          event: 'notice',
          message: `the saved memory of vm "${record.name}" is discarded`,
        });
        record = await dropSuspended(world, record);
      }
      const starting = world.records.update({ ...record, state: 'starting' });
      try {
        const { boot, probe } = plan;
        return record.drives
          ? await bootVm(world, starting, { ...options, boot, probe })
          : await startNew(world, starting, { ...options, plan, isCold });
      } catch (error) {
        const aborted = options.signal.aborted || isAbort(error);
        const { code, message } = errorBodyOf(error);
        world.records.update(
          aborted ? record : { ...starting, state: 'error', lastError: { code, message } },
        );
        throw error;
      }
    },
    { action: 'start', ...given },
  );
}

function notSuspended({ name, state }: VmRecord): AppError {
  return new AppError('VM_NOT_SUSPENDED', `Cannot resume vm "${name}": it is ${state}`, {
    hint: `banger vm start ${name}`,
    details: { state },
  });
}
