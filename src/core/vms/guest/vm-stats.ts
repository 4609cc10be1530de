import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestStats } from '../../../protocol/guest.ts';
import type { HostUsage, StatsSample, VmStats } from '../../../protocol/usage.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findRunningVm } from '../find-vm.ts';
import type { VmHost, Vms } from '../world.ts';
import { AGENT_DEADLINES_MS } from './agent-deadlines.ts';
import type { StatsHistory } from './stats-history.ts';

/** What measuring a VM works on. */
type StatsWorld = Pick<Vms, 'live'> & Pick<VmHost, 'files'> & { stats: StatsHistory };

/**
 * Measures a running VM and its guest, and returns earlier measurements too. Leaves out a guest that does not
 * answer soon.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING.
 */
export async function vmStats(
  world: StatsWorld & Pick<Vms, 'records'>,
  ref: string,
  { signal }: Abortable,
): Promise<VmStats> {
  const record = findRunningVm(world.records, ref);
  const history = world.stats.of(record.id);
  const now = await sample(world, record, { signal });
  return { vm: { id: record.id, name: record.name }, now, history };
}

/**
 * Measures every running VM for its history. Throws only the abort reason; leaves out a VM that cannot be
 * measured.
 */
export async function sampleAll(
  world: StatsWorld & Pick<Vms, 'records' | 'log'>,
  { signal }: Abortable,
): Promise<void> {
  const running = world.records
    .list()
    .filter(({ id, state }) => state === 'running' && world.live.get(id) !== undefined);
  world.stats.retainOnly(new Set(running.map(({ id }) => id)));
  const measure = async (record: VmRecord): Promise<void> => {
    try {
      await sample(world, record, { signal });
    } catch (error) {
      signal.throwIfAborted();
      world.log.debug('a VM could not be measured', { vmId: record.id, error });
    }
  };
  await Promise.all(running.map(measure));
}

async function sample(world: StatsWorld, record: VmRecord, { signal }: Abortable): Promise<StatsSample> {
  const [host, guest] = await Promise.all([
    hostUsage(world, record),
    guestStats(world, record.id, { signal }),
  ]);
  const last = world.stats.of(record.id).at(-1)?.guest;
  const cpuPercent = guest && cpuPercentOf(last, guest);
  const taken: StatsSample = {
    at: new Date().toISOString(),
    ...(guest ? { guest: { ...guest, ...(cpuPercent === undefined ? {} : { cpuPercent }) } } : {}),
    host,
  };
  world.stats.add(record.id, taken);
  return taken;
}

async function hostUsage(
  world: Pick<Vms, 'live'> & Pick<VmHost, 'files'>,
  record: VmRecord,
): Promise<HostUsage> {
  const own = (record.drives ?? []).filter(({ isReadOnly }) => !isReadOnly);
  const [usage, ...sizes] = await Promise.all([
    world.live.get(record.id)?.usage(),
    ...own.map(({ pathOnHost }) => world.files.allocatedBytes(pathOnHost)),
  ]);
  return {
    vmmMemoryBytes: usage?.memoryBytes ?? 0,
    vmmCpuMs: usage?.cpuMs ?? 0,
    driveBytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
  };
}

async function guestStats(
  world: Pick<Vms, 'live'>,
  vmId: string,
  { signal }: Abortable,
): Promise<GuestStats | undefined> {
  const ask = async (inner: AbortSignal): Promise<GuestStats> => {
    const agent = await world.live.agent(vmId, {
      signal: inner,
      helloDeadlineMs: AGENT_DEADLINES_MS.optional,
    });
    return await agent.stats({ signal: inner });
  };
  try {
    const what = 'the guest to measure itself';
    return await withDeadline(ask, { signal, deadlineMs: AGENT_DEADLINES_MS.optional, what });
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return undefined;
  }
}

/**
 * How busy the processors were between two measurements; `undefined` when the guest rebooted between them, or
 * no time has passed.
 */
function cpuPercentOf(before: GuestStats | undefined, after: GuestStats): number | undefined {
  if (!before) return undefined;
  const busyMs = after.cpu.busyMs - before.cpu.busyMs;
  const totalMs = after.cpu.totalMs - before.cpu.totalMs;
  if (totalMs <= 0 || busyMs < 0) return undefined;
  return Math.round(Math.min(1, busyMs / totalMs) * 1000) / 10;
}
