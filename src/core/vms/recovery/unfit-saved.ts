import type { Abortable } from '../../../base/abort.ts';
import { isAppError, messageOf } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { SavedBy } from '../../ports/saved-by.ts';
import { differenceOf, differenceText } from '../../rules/saved-by.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { planStart } from '../plan/make-plan.ts';
import type { Saving, Vms } from '../world.ts';

/** The result of {@link findUnfitGuests}. */
export interface SavedGuests {
  /** suspended VMs and snapshots */
  count: number;
  /** those that can no longer be restored here: `web (suspended)`, and why */
  unfit: { name: string; problem: string }[];
}

/**
 * Finds the suspended VMs and snapshots that can no longer be restored on this host; reads no memory and
 * changes nothing.
 */
export async function findUnfitGuests(
  world: PlanWorld & Pick<Vms, 'records'> & Pick<Saving, 'snapshots'>,
  options: Abortable,
): Promise<SavedGuests> {
  const found: SavedGuests = { count: 0, unfit: [] };
  for (const record of world.records.list()) {
    const saved = await savedGuestsOf(world, record);
    found.count += saved.length;
    if (saved.length === 0) continue;
    const probe = await probeFor(world, record, options);
    for (const { name, savedBy } of saved) {
      const problem = typeof probe === 'string' ? probe : textOf(differenceOf(savedBy, { probe }));
      if (problem !== undefined) found.unfit.push({ name, problem });
    }
  }
  return found;
}

function textOf(difference: ReturnType<typeof differenceOf>): string | undefined {
  return difference && differenceText(difference);
}

async function savedGuestsOf(
  world: Pick<Saving, 'snapshots'>,
  { id, name, state, savedBy }: VmRecord,
): Promise<{ name: string; savedBy: SavedBy | undefined }[]> {
  const snapshots = (await world.snapshots.list(id)).map(({ tag, facts }) => ({
    name: `${name} ${tag} (snapshot)`,
    savedBy: facts.savedBy,
  }));
  return [...(state === 'suspended' ? [{ name: `${name} (suspended)`, savedBy }] : []), ...snapshots];
}

/** The driver's probe for this VM's guests, or why none can be restored. */
async function probeFor(world: PlanWorld, record: VmRecord, options: Abortable) {
  try {
    return (await planStart(world, record, options)).probe;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return messageOf(error);
  }
}
