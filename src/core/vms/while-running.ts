import { type Abortable, anySignal } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import type { RunningVm } from '../ports/vmm/running-vm.ts';

/**
 * Runs `work`, which needs the guest, and fails as soon as its VMM exits, because nothing will answer after
 * that. `work` gets a signal that aborts then, or when `signal` does. `what` names the work in the error:
 * `suspend vm "web"`.
 *
 * @throws {AppError} VMM_LOST when the VMM ended; the abort reason; what `work` throws.
 */
export async function whileRunning<T>(
  running: RunningVm,
  work: (options: Abortable) => Promise<T>,
  { signal, what }: Abortable & { what: string },
): Promise<T> {
  const ended = new AbortController();
  void running.exited.then(() => ended.abort(vmmEnded(what)));
  using inner = anySignal(signal, ended.signal);
  try {
    return await work({ signal: inner.signal });
  } catch (error) {
    inner.signal.throwIfAborted();
    throw error;
  }
}

function vmmEnded(what: string): AppError {
  return new AppError('VMM_LOST', `Cannot ${what}: its VMM has ended`, {
    hint: 'banger vm show NAME says why; to run the VM again: banger vm start NAME',
  });
}
