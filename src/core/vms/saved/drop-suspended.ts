import type { VmRecord } from '../../ports/records.ts';
import type { VmHost, Vms } from '../world.ts';

/** A record without what it says of a guest that was suspended. */
export function withoutSaved({ unsyncedIn: _, savedBy: __, ...record }: VmRecord): VmRecord {
  return record;
}

/** Gives up what a suspended VM had in its memory: it is a stopped one then. */
export async function dropSuspended(
  world: Pick<Vms, 'records'> & Pick<VmHost, 'files'>,
  record: VmRecord,
): Promise<VmRecord> {
  const stopped = world.records.update({ ...withoutSaved(record), state: 'stopped' });
  await world.files.removeSuspended(record.id);
  return stopped;
}
