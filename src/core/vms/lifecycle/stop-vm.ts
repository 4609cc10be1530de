import { type Abortable, neverAborts, withDeadline } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
import { isAppError } from '../../../base/errors.ts';
import type { Report } from '../../../protocol/events.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm.ts';
import { findVm } from '../find-vm.ts';
import { dropSuspended } from '../saved/drop-suspended.ts';
import type { VmWorld } from '../world.ts';
import { syncGuest, unsyncedNotice } from './sync-guest.ts';

/** `ms` for the guest to power off once everything is written; then its VMM is killed. */
const POWER_OFF_GRACE_MS = 1_200;

/** `ms` for a guest that is still powering off to write out what came since. */
const LAST_SYNC_MS = 400;

/**
 * Stops a VM: the guest writes out what it holds and powers off, so that its programs are told to end, and is killed when it does not in time. One in
 * which no program of anybody's runs is ended as soon as it has written: seconds of its init's work would save nothing. A VM that does not run is
 * left as it is; a suspended one gives up what it had in memory. A guest that is well is stopped after 2 s at the latest. Not cancellable once begun: a
 * VM half stopped serves nobody.
 *
 * @throws {AppError} VM_NOT_FOUND, VMM_KILL_FAILED.
 */
export async function stopVm(world: VmWorld, ref: string, { report }: { report: Report }): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async ({ signal }) => {
      const record = findVm(world.records, id);
      const running = world.live.get(id);
      // What its guest held was written before it was suspended.
      if (record.state === 'suspended') return await dropSuspended(world, record);
      if (record.state !== 'running' || !running) return record;
      const stopping = world.records.update({ ...record, state: 'stopping' });
      report({ event: 'progress', stage: 'sync' });
      const sync = await syncGuest(world, stopping, running, { signal });
      if (!sync.isSynced) report({ event: 'notice', message: unsyncedNotice(record.name, sync.reason) });
      else if (!sync.isIdle) await powerOff(world, stopping, { running, agent: sync.agent, report });
      report({ event: 'progress', stage: 'kill' });
      await running.kill();
      await world.live.remove(id);
      return world.records.update({ ...stopping, state: 'stopped' });
    },
    { action: 'stop', report, signal: neverAborts() },
  );
}

async function powerOff(
  world: VmWorld,
  record: VmRecord,
  { running, agent, report }: { running: RunningVm; agent: GuestAgent; report: Report },
): Promise<void> {
  report({ event: 'progress', stage: 'power off' });
  try {
    await within(POWER_OFF_GRACE_MS, async (options) => {
      await agent.powerOff(options);
      await abortable(running.exited, options.signal);
    });
  } catch (error) {
    world.log.info('a guest is killed before it is off', { vmId: record.id, error });
    // All that was there when the stop began is written; this is for what programs wrote when they were told to end.
    if (isAppError(error, 'WAIT_TIMEOUT')) await lastSync(world, record, agent);
  }
}

async function lastSync(world: VmWorld, record: VmRecord, agent: GuestAgent): Promise<void> {
  try {
    await within(LAST_SYNC_MS, async (options) => {
      await agent.sync(options);
    });
  } catch (error) {
    // Its agent has ended before the rest of it, as it should.
    world.log.debug('a guest that powers off did not sync again', { vmId: record.id, error });
  }
}

async function within(deadlineMs: number, work: (options: Abortable) => Promise<void>): Promise<void> {
  const what = 'the guest to power off';
  await withDeadline((signal) => work({ signal }), { signal: neverAborts(), deadlineMs, what });
}
