import type { Logger } from '../base/log.ts';
import { stopVm } from '../core/vms/stop-vm.ts';
import type { VmWorld } from '../core/vms/world.ts';
import type { Report } from '../protocol/events.ts';
import type { VmUse } from './vm-use.ts';

/** How often VMs are looked at, in `ms`: a quarter of the time they get, within these bounds. */
const MOST_SELDOM_MS = 60_000;
const MOST_OFTEN_MS = 50;

/** What {@link stopStaleVms} works on. */
interface StaleOptions {
  world: VmWorld;
  use: VmUse;
  log: Logger;
  /** `ms` that a VM may be unused */
  afterMs: number;
}

/**
 * Stops VMs that nobody has used for `afterMs`, in order, their data written. Not those that go with a client (`--rm`). What their guests do by
 * themselves does not count as use. Until disposed of.
 */
export function stopStaleVms({ world, use, log, afterMs }: StaleOptions): Disposable {
  const stopping = new Set<string>();
  const stop = async (vmId: string, name: string): Promise<void> => {
    log.info('a VM that nobody uses is stopped', { vmId, vm: name, idleMs: Math.round(use.idleMs(vmId)) });
    stopping.add(vmId);
    try {
      const report: Report = (event) => {
        if (event.event === 'notice') log.warn('a VM that nobody uses', { vmId, notice: event.message });
      };
      await stopVm(world, vmId, { report });
    } catch (error) {
      log.error('a VM that nobody uses could not be stopped', { vmId, error });
    } finally {
      stopping.delete(vmId);
    }
  };
  const look = (): void => {
    const live = world.live.ids();
    use.retainOnly(live);
    for (const vmId of live) {
      const record = world.records.get(vmId);
      if (record?.state !== 'running' || record.ephemeral || stopping.has(vmId)) continue;
      if (use.idleMs(vmId) >= afterMs) void stop(vmId, record.name);
    }
  };
  const everyMs = Math.min(MOST_SELDOM_MS, Math.max(MOST_OFTEN_MS, afterMs / 4));
  const timer = setInterval(look, everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
