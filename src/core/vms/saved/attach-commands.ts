import { neverAborts } from '../../../base/abort.ts';
import { withAgent } from '../guest/with-agent.ts';
import type { Vms } from '../world.ts';

/**
 * Makes the commands of a VM end with their link again, after `GuestAgent.detachCommands`. Never throws: the
 * commands of each new link do so anyway.
 */
export async function attachCommands(world: Pick<Vms, 'live' | 'log'>, vmId: string): Promise<void> {
  try {
    await withAgent(world, vmId, {
      signal: neverAborts(),
      work: (agent, options) => agent.detachCommands(false, options),
    });
  } catch (error) {
    world.log.info('an agent still has its commands detached', { vmId, error });
  }
}
