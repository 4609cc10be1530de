import type { Logger } from '../../base/log.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import { stopVm } from '../../core/vms/lifecycle/stop-vm.ts';
import { suspendVm } from '../../core/vms/saved/suspend-vm.ts';
import type { VmWorld } from '../../core/vms/world.ts';
import type { Report } from '../../protocol/events.ts';
import { TrafficWatch } from './traffic-watch.ts';
import type { VmUse } from './vm-use.ts';

/** How often VMs are looked at, in `ms`: a quarter of the time they get, within these bounds. */
const MOST_SELDOM_MS = 60_000;
const MOST_OFTEN_MS = 50;

/** What becomes of a VM that nobody uses. */
type Ending = 'stopped' | 'suspended';

/** What {@link watchIdleVms} works on. */
export interface IdleVmsOptions {
  world: VmWorld;
  use: VmUse;
  log: Logger;
  /** `ms` that a VM may be unused before it is stopped; absent: for ever */
  stopAfterMs?: number | undefined;
  /** `ms` that it may be unused, and without traffic, before it is suspended; absent: for ever */
  suspendAfterMs?: number | undefined;
  /** guests are measured every now and then: else nothing is known of their traffic */
  isMeasured: boolean;
  /** `ms` of a clock that never goes back, as that of `use`, and how often it is looked at */
  now: () => number;
  everyMs?: number | undefined;
}

/**
 * Stops or suspends VMs that nobody has used for long enough, in order, their data written. Not those that go
 * with a client (`--rm`). What their guests do by themselves does not count as use; but one that may use the
 * network, and does, is not suspended. Until disposed of, which waits for what is under way: a VM that is
 * being suspended goes on then, one that is being stopped is stopped. Twice is fine.
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
  const quietMs = ({ id, nat }: VmRecord): number => {
    if (!nat) return Number.POSITIVE_INFINITY;
    return traffic.quietMs(id, isMeasured ? world.stats.of(id).at(-1)?.guest?.network : undefined);
  };
  const isUnused: Record<Ending, (record: VmRecord) => boolean> = {
    stopped: ({ id }) => stopAfterMs !== undefined && use.idleMs(id) >= stopAfterMs,
    suspended: (record) =>
      suspendAfterMs !== undefined && Math.min(use.idleMs(record.id), quietMs(record)) >= suspendAfterMs,
  };
  const end = async (record: VmRecord, what: Ending): Promise<void> => {
    const { id: vmId, name } = record;
    log.info(`a VM that nobody uses is ${what}`, { vmId, vm: name, idleMs: Math.round(use.idleMs(vmId)) });
    const report: Report = (event) => {
      if (event.event === 'notice') log.warn('a VM that nobody uses', { vmId, notice: event.message });
    };
    try {
      // Asked again when it has the VM's lock: somebody may have used it a moment ago.
      const isWanted = (): boolean => isUnused[what](record);
      if (what === 'stopped') await stopVm(world, vmId, { report, isWanted });
      else await suspendVm(world, vmId, { report, isWanted, signal: over.signal });
    } catch (error) {
      if (!over.signal.aborted) log.error(`a VM that nobody uses could not be ${what}`, { vmId, error });
      // Not at once again.
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
      // What somebody else is doing to it is use.
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
