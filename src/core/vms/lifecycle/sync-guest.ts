import { type Abortable, anySignal, poll, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError, messageOf } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm.ts';
import type { VmWorld } from '../world.ts';

/** `ms` for the agent to answer at all; one that does not is dead, or its guest stands still. */
const AGENT_DEADLINE_MS = 2_000;

/** `ms` after which an agent that was lost is sought again: the guest starts one that died anew. */
const AGAIN_MS = 50;

/** `ms` for a guest whose agent answers to write out what it holds; long, for it is what saves data. */
const SYNC_DEADLINE_MS = 10_000;

/** What became of {@link syncGuest}. */
export type GuestSync =
  /** `isIdle`: nothing runs in the guest that would notice its end */
  { isSynced: true; isIdle: boolean; agent: GuestAgent } | { isSynced: false; reason: string };

/**
 * Has the guest write to its drives what it holds in memory, before it is ended. Never throws, and is not cancellable. An agent that does not
 * answer is told as such after 2 s; one that answers gets 10 s for the writing. Ends with the VMM.
 */
export async function syncGuest(
  world: VmWorld,
  record: VmRecord,
  running: RunningVm,
  { signal: given }: Abortable,
): Promise<GuestSync> {
  const failed = (reason: string, error: unknown): GuestSync => {
    world.log.info('a guest was not synced', { vmId: record.id, reason, error });
    return { isSynced: false, reason };
  };
  const gone = new AbortController();
  void running.exited.then(() => gone.abort(new AppError('VMM_LOST', 'its VMM ended')));
  using either = anySignal(given, gone.signal);
  const within = async <T>(deadlineMs: number, work: (options: Abortable) => Promise<T>): Promise<T> => {
    const what = 'the guest before it is ended';
    return await withDeadline((signal) => work({ signal }), { signal: either.signal, deadlineMs, what });
  };
  let agent: GuestAgent;
  try {
    agent = await within(AGENT_DEADLINE_MS, (options) => answeringAgent(world, record.id, options));
  } catch (error) {
    return failed('its agent does not answer', error);
  }
  try {
    const { programCount } = await within(SYNC_DEADLINE_MS, (options) => agent.sync(options));
    return { isSynced: true, isIdle: programCount === 0, agent };
  } catch (error) {
    const isSlow = isAppError(error, 'WAIT_TIMEOUT');
    return failed(isSlow ? 'its guest did not finish writing in time' : messageOf(error), error);
  }
}

/** The warning for a VM that is ended although its guest did not sync. */
export function unsyncedNotice(name: string, reason: string): string {
  return `vm "${name}" is killed without a sync: ${reason}; what it had not written to its disks is lost`;
}

/** A link may be there, and who was at its other end not any more. */
async function answeringAgent(world: VmWorld, vmId: string, { signal }: Abortable): Promise<GuestAgent> {
  const attempt = async (): Promise<GuestAgent | undefined> => {
    const agent = await world.live.agent(vmId, { signal, helloDeadlineMs: AGENT_DEADLINE_MS });
    try {
      await agent.health({ signal });
      return agent;
    } catch (error) {
      if (isAppError(error, 'GUEST_LOST')) return undefined;
      throw error;
    }
  };
  const what = 'the guest agent to answer';
  return await poll(attempt, { everyMs: AGAIN_MS, deadlineMs: AGENT_DEADLINE_MS, what, signal });
}
