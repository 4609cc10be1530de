import type { Abortable } from '../../base/abort.ts';
import { isAbort } from '../../base/errors.ts';
import { errorBodyOf } from '../../protocol/error-body.ts';
import type { Report } from '../../protocol/events.ts';
import type { VmRecord } from '../ports/records.ts';
import { bootVm, noteAccelerator } from './boot-vm.ts';
import { findVm } from './find-vm.ts';
import { planStart } from './plan-vm.ts';
import { startNew } from './start-new.ts';
import type { VmWorld } from './world.ts';

/**
 * Starts a VM that does not run; one that runs is left as it is. After a failure the VM is in state `error` with `lastError`, after an abort in
 * the state that it had; no VMM runs, and its drives are whole.
 *
 * @throws {AppError} VM_NOT_FOUND, IMAGE_DAMAGED, KERNEL_*, and as {@link bootVm}.
 */
export async function startVm(
  world: VmWorld,
  ref: string,
  { isCold, ...options }: Abortable & { report: Report; isCold: boolean },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async () => {
      const record = findVm(world.records, id);
      if (record.state === 'running') return record;
      const plan = await planStart(world, record, options);
      noteAccelerator(plan.probe, options.report);
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
    options,
  );
}
