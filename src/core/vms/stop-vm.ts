import { neverAborts, withDeadline } from '../../base/abort.ts';
import { abortable } from '../../base/async.ts';
import { messageOf } from '../../base/errors.ts';
import type { Report } from '../../protocol/events.ts';
import type { VmRecord } from '../ports/records.ts';
import type { RunningVm } from '../ports/vmm.ts';
import { findVm } from './find-vm.ts';
import type { VmWorld } from './world.ts';

/** `ms` for a guest that is well to write out what it holds; longer than its other steps, for it is what saves data. */
const SYNC_DEADLINE_MS = 10_000;

/** `ms` for the agent to answer at all. */
const AGENT_DEADLINE_MS = 2_000;

/** `ms` for the guest to power off once everything is written; then its VMM is killed. */
const POWER_OFF_GRACE_MS = 1_500;

/**
 * Stops a VM: the guest writes out what it holds and powers off, and is killed when it does not in time. One that does not run is
 * left as it is. Not cancellable once begun: a VM half stopped serves nobody.
 *
 * @throws {AppError} VM_NOT_FOUND, VMM_KILL_FAILED.
 */
export async function stopVm(world: VmWorld, ref: string, { report }: { report: Report }): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async () => {
      const record = findVm(world.records, id);
      const running = world.live.get(id);
      if (record.state !== 'running' || !running) return record;
      const stopping = world.records.update({ ...record, state: 'stopping' });
      await powerOff(world, stopping, { running, report });
      await world.live.remove(id);
      return world.records.update({ ...stopping, state: 'stopped' });
    },
    { signal: neverAborts() },
  );
}

async function powerOff(
  world: VmWorld,
  record: VmRecord,
  { running, report }: { running: RunningVm; report: Report },
): Promise<void> {
  const within = <T>(
    deadlineMs: number,
    what: string,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => withDeadline(work, { signal: neverAborts(), deadlineMs, what });
  let isSynced = false;
  try {
    report({ event: 'progress', stage: 'sync' });
    const agent = await within(AGENT_DEADLINE_MS, 'the guest agent', (signal) =>
      world.live.agent(record.id, { signal, helloDeadlineMs: AGENT_DEADLINE_MS }),
    );
    await within(SYNC_DEADLINE_MS, 'the guest to write to its disks', (signal) => agent.sync({ signal }));
    isSynced = true;
    report({ event: 'progress', stage: 'power off' });
    await within(POWER_OFF_GRACE_MS, 'the guest to power off', async (signal) => {
      await agent.powerOff({ signal });
      await abortable(running.exited, signal);
    });
  } catch (error) {
    world.log.info('a guest is killed', { vmId: record.id, error: messageOf(error) });
    // A guest that has written everything loses nothing by being killed; that it is slow to power off is no news.
    if (!isSynced) {
      const message = `vm "${record.name}" did not answer and was killed: ${messageOf(error)}`;
      report({ event: 'notice', message });
    }
  }
  await running.kill();
}
