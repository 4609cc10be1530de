import { type Abortable, anySignal } from '../../../base/abort.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { VmHost, Vms } from '../world.ts';

/** How a VMM is adopted that may not answer. */
export interface AdoptOptions extends Abortable {
  /** aborts when the VM is to be ended: then the VMM is waited for no longer */
  interrupted: AbortSignal;
  /** called once when it has not answered for a while, and is waited for */
  onWait: () => void;
}

/**
 * The VMM of a VM that an earlier daemon started; one that does not answer is waited for as long as it lives.
 * `undefined` when there is none, or the VM is to be ended.
 */
export async function adoptVmm(
  world: Pick<Vms, 'log'> & Pick<VmHost, 'driver' | 'files'>,
  { id, name }: VmRecord,
  { signal, interrupted, onWait }: AdoptOptions,
): Promise<RunningVm | undefined> {
  const { runtimeDir, consoleLogPath } = world.files.folders(id);
  using either = anySignal(signal, interrupted);
  const onSilent = (): void => {
    world.log.warn('a VMM runs and does not answer: it is waited for', { vmId: id, vm: name });
    onWait();
  };
  try {
    return await world.driver.adopt(
      { vmId: id, runtimeDir, consoleLogPath },
      { signal: either.signal, onSilent },
    );
  } catch (error) {
    if (signal.aborted || !interrupted.aborted) throw error;
    return undefined;
  }
}
