import { neverAborts } from '../../../base/abort.ts';
import { withAgent } from '../guest/with-agent.ts';
import type { Vms } from '../world.ts';

/**
 * Tells the agent of a VM that runs on that its commands end with the link again, as they do in general
 * (`GuestAgent.keep`). Never throws: it is for the time after, and each new link begins so.
 */
export async function unkeep(world: Pick<Vms, 'live' | 'log'>, vmId: string): Promise<void> {
  try {
    await withAgent(world, vmId, {
      signal: neverAborts(),
      work: (agent, options) => agent.keep(false, options),
    });
  } catch (error) {
    world.log.info('an agent was not told that its VM runs on', { vmId, error });
  }
}
