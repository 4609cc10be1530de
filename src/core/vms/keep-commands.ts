import { neverAborts, withDeadline } from '../../base/abort.ts';
import type { VmWorld } from './world.ts';

/** `ms` for the agent to answer. */
const AGENT_DEADLINE_MS = 10_000;

/**
 * Tells the agent of a VM that runs on that its commands end with the link again, as they do in general (`GuestAgent.keep`). Never throws: it is for the
 * time after, and each new link begins so.
 */
export async function unkeep(world: VmWorld, vmId: string): Promise<void> {
  try {
    await withDeadline(
      async (signal) => {
        const agent = await world.live.agent(vmId, { signal, helloDeadlineMs: AGENT_DEADLINE_MS });
        await agent.keep(false, { signal });
      },
      { signal: neverAborts(), deadlineMs: AGENT_DEADLINE_MS, what: 'the guest agent' },
    );
  } catch (error) {
    world.log.info('an agent was not told that its VM runs on', { vmId, error });
  }
}
