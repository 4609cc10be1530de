import { type Abortable, anySignal, poll, sleep, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError, messageOf } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';
import { type SyncLimits, whileWorking } from './while-working.ts';

/** `ms` between attempts to reach a lost agent: the guest restarts one that died. */
const AGAIN_MS = 50;

/** The result of {@link syncGuest}. */
export type GuestSync =
  /** `isIdle`: no user program runs in the guest */
  | { isSynced: true; isIdle: boolean; agent: GuestAgent }
  /** `hasEnded`: its VMM has exited */
  | { isSynced: false; reason: string; hasAnswered: boolean; hasEnded: boolean };

/** How {@link syncGuest} waits; an abort gives up unwritten data. */
export interface SyncOptions extends Task {
  running: RunningVm;
  limits: SyncLimits;
}

/**
 * Makes the guest write its unwritten data to its drives before it is ended. Waits as long as its VMM works,
 * and reports how much the VMM has written. Never throws: the result's reason names a guest that hangs, a VMM
 * that exits or an abort of `signal`.
 */
export async function syncGuest(
  world: Pick<Vms, 'live' | 'log'>,
  record: VmRecord,
  { running, limits, report, signal }: SyncOptions,
): Promise<GuestSync> {
  const gone = new AbortController();
  void running.exited.then(() => gone.abort(new AppError('VMM_LOST', 'its VMM ended')));
  using either = anySignal(signal, gone.signal);
  let hasAnswered = false;
  const sync = async (options: Abortable): Promise<GuestSync> => {
    const agent = await answeringAgent(world, record.id, options);
    hasAnswered = true;
    const { programCount } = await agent.sync(options);
    return { isSynced: true, isIdle: programCount === 0, agent };
  };
  try {
    return await whileWorking(running, (options) => untilNotLost(() => sync(options), options), {
      signal: either.signal,
      limits: () => (hasAnswered ? limits.syncing : limits.silent),
      onLook: (writtenBytes) => report({ event: 'progress', stage: 'sync', detail: stepOf(writtenBytes) }),
      everyMs: limits.everyMs,
      what: 'the guest to write its data',
    });
  } catch (error) {
    const reason = reasonOf(error, { hasAnswered, isInterrupted: signal.aborted });
    world.log.info('a guest was not synced', { vmId: record.id, reason, error });
    return { isSynced: false, reason, hasAnswered, hasEnded: gone.signal.aborted };
  }

  function stepOf(writtenBytes: number): string {
    const soFar = `${Math.round(writtenBytes / 1e6)} MB so far`;
    return hasAnswered ? `writing, ${soFar}` : `its agent does not answer yet; its VMM has written ${soFar}`;
  }
}

/** The warning for a VM that is killed although its guest did not sync. */
export function unsyncedNotice(name: string, reason: string): string {
  return `vm "${name}" is killed without a sync: ${reason}; data that it had not written to its disks is lost`;
}

function reasonOf(
  error: unknown,
  { hasAnswered, isInterrupted }: { hasAnswered: boolean; isInterrupted: boolean },
): string {
  if (isInterrupted) return 'the stop was interrupted';
  if (isAppError(error, 'GUEST_HANGS')) {
    return hasAnswered ? 'its guest did not finish writing in time' : 'its agent does not answer';
  }
  return messageOf(error);
}

/** A busy guest may lose its link; the work then retries over a new one. */
async function untilNotLost<T>(work: () => Promise<T>, { signal }: Abortable): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isAppError(error, 'GUEST_LOST')) throw error;
      await sleep(AGAIN_MS, { signal });
    }
  }
}

/** Waits for an agent that answers: a link may be open although the agent is gone. */
async function answeringAgent(
  world: Pick<Vms, 'live'>,
  vmId: string,
  { signal }: Abortable,
): Promise<GuestAgent> {
  const attempt = async (): Promise<GuestAgent | undefined> => {
    try {
      const agent = await world.live.agent(vmId, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.attempt });
      await withDeadline((inner) => agent.health({ signal: inner }), {
        signal,
        deadlineMs: AGENT_DEADLINES_MS.attempt,
        what: 'the guest agent to answer',
      });
      return agent;
    } catch (error) {
      signal.throwIfAborted();
      if (isAppError(error, 'GUEST_LOST', 'GUEST_UNREACHABLE', 'WAIT_TIMEOUT')) return undefined;
      throw error;
    }
  };
  const what = 'the guest agent to answer';
  return await poll(attempt, { everyMs: AGAIN_MS, deadlineMs: Number.POSITIVE_INFINITY, what, signal });
}
