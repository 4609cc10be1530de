import { neverAborts, withDeadline } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
import { isAppError } from '../../../base/errors.ts';
import type { Report } from '../../../protocol/events.ts';
import type { VmmSignal } from '../../../protocol/vmm-signal.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { findVm } from '../find-vm.ts';
import { dropSuspended } from '../saved/drop-suspended.ts';
import type { GuestWaits, VmHost, Vms } from '../world.ts';
import { interruptWork } from './interrupt-work.ts';
import { type EndedVm, endGuest } from './stop-vm.ts';
import { syncGuest } from './sync-guest.ts';

/** `ms` for the VMM to exit after the user's signal; then it is killed. */
const SIGNAL_GRACE_MS = 1_000;

/**
 * Ends a VM without asking its guest to power off, but syncs the guest first when its agent answers.
 * `vmmSignal` is sent to the VMM first; the VMM is killed whatever it does on that signal. Other operations
 * on the VM are cancelled first ({@link interruptWork}). A suspended VM loses its memory and becomes stopped;
 * any other VM that does not run is left alone. Not cancellable once begun; a second kill, or a delete, ends
 * the sync of the first.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_BUSY, VMM_KILL_FAILED.
 */
export async function killVm(
  world: Vms & Pick<VmHost, 'files'> & Pick<GuestWaits, 'syncLimits'>,
  ref: string,
  { vmmSignal, report }: { vmmSignal?: VmmSignal | undefined; report: Report },
): Promise<EndedVm> {
  const found = findVm(world.records, ref);
  const { id } = found;
  const hasInterrupted = interruptWork(world, found, 'kill');
  return await world.locks.run(
    id,
    async ({ signal }) => {
      const record = findVm(world.records, id);
      const running = world.live.get(id);
      if (record.state === 'suspended') return { record: await dropSuspended(world, record) };
      if (!running) {
        const isFailed = hasInterrupted && record.state === 'error';
        return { record: isFailed ? world.records.update({ ...record, state: 'stopped' }) : record };
      }
      const stopping = world.records.update({ ...record, state: 'stopping' });
      report({ event: 'progress', stage: 'sync' });
      const sync = await syncGuest(world, stopping, {
        running,
        limits: world.syncLimits.kill,
        report,
        signal,
      });
      return await endGuest(world, stopping, {
        running,
        report,
        unsynced: sync.isSynced ? undefined : sync.reason,
        beforeKill: async () => {
          if (vmmSignal) await sendSignal(running, vmmSignal);
        },
      });
    },
    { action: 'kill', report, signal: neverAborts() },
  );
}

async function sendSignal(running: RunningVm, vmmSignal: VmmSignal): Promise<void> {
  await running.signal(vmmSignal);
  const options = { signal: neverAborts(), deadlineMs: SIGNAL_GRACE_MS, what: 'the VMM to end' };
  try {
    await withDeadline((signal) => abortable(running.exited, signal), options);
  } catch (error) {
    if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
  }
}
