import { type Abortable, anySignal } from '../../../base/abort.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { driverOf } from '../vm-drivers.ts';
import type { VmHost, Vms } from '../world.ts';

/** How to adopt a VMM that may not answer. */
export interface AdoptOptions extends Abortable {
  /** aborts when the VM is killed or deleted, which ends the wait for its VMM */
  interrupted: AbortSignal;
  /** called once when the VMM has not answered for a while */
  onWait: () => void;
}

/**
 * Adopts the VMM that an earlier daemon started; waits for one that does not answer as long as it lives.
 * Returns `undefined` when there is none, or the VM is killed or deleted meanwhile.
 */
export async function adoptVmm(
  world: Pick<Vms, 'log'> & Pick<VmHost, 'drivers' | 'files'>,
  record: VmRecord,
  { signal, interrupted, onWait }: AdoptOptions,
): Promise<RunningVm | undefined> {
  const { id, name } = record;
  const { runtimeDir, consoleLogPath } = world.files.folders(id);
  using either = anySignal(signal, interrupted);
  const onSilent = (): void => {
    world.log.warn('a VMM runs but does not answer: waiting for it', { vmId: id, vm: name });
    onWait();
  };
  try {
    return await driverOf(world, record).adopt(
      { vmId: id, runtimeDir, consoleLogPath },
      { signal: either.signal, onSilent },
    );
  } catch (error) {
    if (signal.aborted || !interrupted.aborted) throw error;
    return undefined;
  }
}
