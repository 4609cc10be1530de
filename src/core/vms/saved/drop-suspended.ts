import type { VmRecord } from '../../ports/records.ts';
import type { VmHost, Vms } from '../world.ts';

/** A record without its fields about a suspended guest. */
export function withoutSaved({
  unsyncedIn: _,
  savedBy: __,
  listeningPorts: ___,
  ...record
}: VmRecord): VmRecord {
  return record;
}

/** Deletes the saved memory of a suspended VM, which is then stopped. */
export async function dropSuspended(
  world: Pick<Vms, 'records'> & Pick<VmHost, 'files'>,
  record: VmRecord,
): Promise<VmRecord> {
  const stopped = world.records.update({ ...withoutSaved(record), state: 'stopped' });
  await world.files.removeSuspended(record.id);
  return stopped;
}
