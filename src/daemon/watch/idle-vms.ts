import type { Logger } from '../../base/log.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import { hasRunningJob } from '../../core/vms/guest/jobs.ts';
import { stopVm } from '../../core/vms/lifecycle/stop-vm.ts';
import { suspendVm } from '../../core/vms/saved/suspend-vm.ts';
import { canDo } from '../../core/vms/vm-drivers.ts';
import type { VmWorld } from '../../core/vms/world.ts';
import type { Report } from '../../protocol/events.ts';
import { TrafficWatch } from './traffic-watch.ts';
import type { VmUse } from './vm-use.ts';

/** How often VMs are checked, in `ms`: a quarter of their time limit, within these bounds. */
const MOST_SELDOM_MS = 60_000;
const MOST_OFTEN_MS = 50;

/** What happens to an unused VM. */
type Ending = 'stopped' | 'suspended';

/** What {@link watchIdleVms} needs. */
export interface IdleVmsOptions {
  world: VmWorld;
  use: VmUse;
  log: Logger;
  /** `ms` for which a VM may be unused before it is stopped; absent: for ever */
  stopAfterMs?: number | undefined;
  /** `ms` for which it may be unused and without traffic before it is suspended; absent: for ever */
  suspendAfterMs?: number | undefined;
  /** guests are measured regularly; otherwise their traffic is unknown */
  isMeasured: boolean;
  /** `ms` of a monotonic clock, the same as that of `use`, and how often it is checked */
  now: () => number;
  everyMs?: number | undefined;
}

/**
 * Stops or suspends VMs that have been unused for long enough, with their data written. Leaves out VMs that
 * are tied to a client (`--rm`). What a guest does by itself does not count as use, but a job does, and a
 * guest with network traffic is not suspended, nor one whose VMM cannot save it. Runs until disposed of,
 * which waits for work in progress: a VM that is being suspended then resumes, one that is being stopped is
 * stopped. Disposing twice is fine.
 */
export function watchIdleVms(options: IdleVmsOptions): AsyncDisposable {
  const { world, use, log, stopAfterMs, suspendAfterMs, isMeasured, now } = options;
  const afterMs = Math.min(
    stopAfterMs ?? Number.POSITIVE_INFINITY,
    suspendAfterMs ?? Number.POSITIVE_INFINITY,
  );
  if (afterMs === Number.POSITIVE_INFINITY) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const traffic = new TrafficWatch(now);
  const ending = new Map<string, Promise<void>>();
  const over = new AbortController();
  const quietMs = ({ id, network }: VmRecord): number => {
    if (network.mode === 'none') return Number.POSITIVE_INFINITY;
    return traffic.quietMs(id, isMeasured ? world.stats.of(id).at(-1)?.guest?.network : undefined);
  };
  const isUnused: Record<Ending, (record: VmRecord) => boolean> = {
    stopped: ({ id }) => stopAfterMs !== undefined && use.idleMs(id) >= stopAfterMs,
    suspended: (record) =>
      suspendAfterMs !== undefined &&
      Math.min(use.idleMs(record.id), quietMs(record)) >= suspendAfterMs &&
      canDo(world, record, 'save'),
  };
  const end = async (record: VmRecord, what: Ending): Promise<void> => {
    const { id: vmId, name } = record;
    if (await hasRunningJob(world, vmId, { signal: over.signal }).catch(() => false)) {
      if (!over.signal.aborted) use.begin(vmId)[Symbol.dispose]();
      ending.delete(vmId);
      return;
    }
    if (over.signal.aborted) return void ending.delete(vmId);
    log.info(`an unused VM is ${what}`, { vmId, vm: name, idleMs: Math.round(use.idleMs(vmId)) });
    const report: Report = (event) => {
      if (event.event === 'notice') log.warn('an unused VM', { vmId, notice: event.message });
    };
    try {
      // Asked again under the VM's lock, because somebody may have used the VM a moment ago.
      const isWanted = (): boolean => isUnused[what](record);
      if (what === 'stopped') await stopVm(world, vmId, { report, isWanted });
      else await suspendVm(world, vmId, { report, isWanted, signal: over.signal });
    } catch (error) {
      if (!over.signal.aborted) log.error(`an unused VM could not be ${what}`, { vmId, error });
      // Do not retry immediately.
      use.begin(vmId)[Symbol.dispose]();
    } finally {
      ending.delete(vmId);
    }
  };
  const look = (): void => {
    const live = world.live.ids();
    use.retainOnly(live);
    traffic.retainOnly(live);
    for (const vmId of live) {
      const record = world.records.get(vmId);
      if (record?.state !== 'running' || record.ephemeral || ending.has(vmId)) continue;
      // Stopped by what it runs for.
      if (record.purpose !== undefined) continue;
      // An operation by somebody else counts as use.
      if (world.locks.holder(vmId)) continue;
      if (isUnused.stopped(record)) ending.set(vmId, end(record, 'stopped'));
      else if (isUnused.suspended(record)) ending.set(vmId, end(record, 'suspended'));
    }
  };
  const everyMs = options.everyMs ?? Math.min(MOST_SELDOM_MS, Math.max(MOST_OFTEN_MS, afterMs / 4));
  const timer = setInterval(look, everyMs).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      over.abort();
      await Promise.all(ending.values());
    },
  };
}
