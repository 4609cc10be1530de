import type { VmRecord } from '../../ports/records.ts';
import type { VmWorld } from '../world.ts';

/** Gives up what a suspended VM had in its memory: it is a stopped one then. */
export async function dropSuspended(
  world: VmWorld,
  { unsyncedIn: _, ...record }: VmRecord,
): Promise<VmRecord> {
  const stopped = world.records.update({ ...record, state: 'stopped' });
  await world.files.removeSuspended(record.id);
  return stopped;
}
