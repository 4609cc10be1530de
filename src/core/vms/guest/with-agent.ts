import { type Abortable, withDeadline } from '../../../base/abort.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { LiveVms } from '../live-vms.ts';
import { AGENT_DEADLINES_MS } from './agent-deadlines.ts';

/**
 * Sends the agent of a running VM a request that must not take long.
 *
 * @throws {AppError} WAIT_TIMEOUT after 10 s; as `LiveVms.agent`; what `work` throws.
 */
export async function withAgent<T>(
  world: { live: Pick<LiveVms, 'agent'> },
  vmId: string,
  { signal, work }: Abortable & { work: (agent: GuestAgent, options: Abortable) => Promise<T> },
): Promise<T> {
  return await withDeadline(
    async (inner) => {
      const agent = await world.live.agent(vmId, {
        signal: inner,
        helloDeadlineMs: AGENT_DEADLINES_MS.answer,
      });
      return await work(agent, { signal: inner });
    },
    { signal, deadlineMs: AGENT_DEADLINES_MS.answer, what: 'the guest agent' },
  );
}
