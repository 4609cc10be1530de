import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { LiveVms } from '../live-vms.ts';
import { AGENT_DEADLINES_MS } from './agent-deadlines.ts';

/**
 * Sends the agent of a running VM a request that must not take long.
 *
 * @throws {AppError} WAIT_TIMEOUT after 30 s, or HOST_NO_SPACE when that is why the guest is silent; as
 * `LiveVms.agent`; what `work` throws.
 */
export async function withAgent<T>(
  world: { live: Pick<LiveVms, 'agent' | 'whySilent'> },
  vmId: string,
  { signal, work }: Abortable & { work: (agent: GuestAgent, options: Abortable) => Promise<T> },
): Promise<T> {
  const answer = withDeadline(
    async (inner) => {
      const agent = await world.live.agent(vmId, {
        signal: inner,
        helloDeadlineMs: AGENT_DEADLINES_MS.answer,
      });
      return await work(agent, { signal: inner });
    },
    { signal, deadlineMs: AGENT_DEADLINES_MS.answer, what: 'the guest agent' },
  );
  return await answer.catch((error: unknown) => {
    throw isAppError(error, 'WAIT_TIMEOUT') ? (world.live.whySilent(vmId) ?? error) : error;
  });
}
