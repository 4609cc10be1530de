import { neverAborts } from '../../../base/abort.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { driverOf } from '../vm-drivers.ts';
import type { VmHost, Vms } from '../world.ts';
import { vmmDied } from './vmm-died.ts';

/**
 * Watches a running VMM: when it exits while its VM is `running` (the guest powered off, or something killed
 * the VMM), the record becomes `stopped`, with `lastError` unless the guest powered off. Operations that end
 * a VMM themselves remove it from `live` first.
 */
export function watchExit(
  world: Vms & Pick<VmHost, 'drivers' | 'files'>,
  vmId: string,
  running: RunningVm,
): void {
  const follow = async (): Promise<void> => {
    await running.exited;
    await world.locks.run(
      vmId,
      async () => {
        if (world.live.get(vmId) !== running) return;
        await world.live.remove(vmId);
        const record = world.records.get(vmId);
        if (record?.state !== 'running') return;
        world.log.info('the VMM ended by itself', { vmId, vm: record.name });
        const stopped: VmRecord = { ...record, state: 'stopped' };
        if (running.end !== 'guest') {
          const how = running.end === 'signal' ? 'was ended by a signal' : 'died, or was killed';
          stopped.lastError = await vmmDied(world, record, `its VMM, process ${running.vmm.pid}, ${how}`);
        }
        world.records.update(stopped);
        // A killed VMM leaves its sockets and, when it was being saved, a helper process.
        await driverOf(world, record).killStray({ vmId, ...world.files.folders(vmId) });
      },
      { action: 'settle', waitMs: Number.POSITIVE_INFINITY, isInterruptible: false, signal: neverAborts() },
    );
  };
  follow().catch((error: unknown) => world.log.error('following a VMM failed', { vmId, error }));
}
