import { messageOf } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { SavedBy } from '../../ports/saved-by.ts';
import { withAgent } from '../guest/with-agent.ts';
import type { VmHost, Vms } from '../world.ts';
import { trimRequestOf } from './give-back.ts';

/**
 * Syncs the guest, so that copies of its drives are usable without its memory. A guest that does not sync in
 * time is copied anyway, with a notice. Returns the guest's agent, when it answers.
 */
export async function syncFirst(
  world: Pick<Vms, 'live'> & Pick<VmHost, 'files'>,
  record: VmRecord,
  { signal, report }: Task,
): Promise<SavedBy['agent']> {
  const { id, name } = record;
  report({ event: 'progress', stage: 'sync' });
  const trim = await trimRequestOf(world, record);
  try {
    return await withAgent(world, id, {
      signal,
      work: async (agent, options) => {
        const [{ generation, version }] = await Promise.all([
          agent.health(options),
          agent.sync({ ...options, trim }),
        ]);
        return { generation, version };
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    const message = `vm "${name}" did not write its data to disk before it was copied: ${messageOf(error)}`;
    report({ event: 'notice', message });
    return undefined;
  }
}
