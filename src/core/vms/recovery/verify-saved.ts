import { isAppError, messageOf } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { Saving, UnrecordedVms, Vms, WarmStarts } from '../world.ts';

/** The result of verifying one kind of saved guests. */
export interface VerifiedGuests {
  /** how many were read */
  count: number;
  /** those that differ from what was saved, and how */
  damaged: { name: string; problem: string }[];
}

/**
 * Reads every warm template and compares it with its checksums. Reports a damaged one and sets it aside, so
 * that the next VM of its kind makes a new one. Reads a gigabyte in a few seconds.
 */
export async function verifyTemplates(
  world: Pick<Vms, 'log'> & Pick<WarmStarts, 'templates'> & Pick<UnrecordedVms, 'pool'>,
  { report, signal }: Task,
): Promise<VerifiedGuests> {
  const { templates } = world;
  // Templates with files of the wrong size are not listed and cannot be used.
  const unusable = await templates.prune({ maxBytes: Number.POSITIVE_INFINITY });
  const damaged = unusable.map((key) => ({
    name: shortKey(key),
    problem: 'files are missing or have another size',
  }));
  const whole = await templates.list();
  for (const [at, { key, facts }] of whole.entries()) {
    const what = `${facts.imageName} of ${facts.shape.memoryMib} MiB`;
    report({ event: 'progress', stage: 'templates', detail: `${at + 1} of ${whole.length}: ${what}` });
    const problem = await templates.verify(key, { signal });
    if (problem === undefined) continue;
    await templates.setAside(key);
    await world.pool?.drop([key]);
    damaged.push({ name: shortKey(key), problem });
  }
  for (const { name, problem } of damaged) {
    const message = `the warm template "${name}" is damaged and set aside: ${problem}`;
    world.log.warn(message);
    report({ event: 'notice', message });
  }
  return { count: whole.length + unusable.length, damaged };
}

/**
 * Reads the device state of every snapshot and compares it with its checksum; changes nothing. A damaged one
 * is named `vm tag`.
 */
export async function verifySnapshots(
  world: Pick<Vms, 'records'> & Pick<Saving, 'snapshots'>,
  { report, signal }: Task,
): Promise<VerifiedGuests> {
  const found: VerifiedGuests = { count: 0, damaged: [] };
  for (const { id, name } of world.records.list()) {
    for (const { tag } of await world.snapshots.list(id)) {
      signal.throwIfAborted();
      report({ event: 'progress', stage: 'snapshots', detail: `${name} ${tag}` });
      found.count += 1;
      try {
        await world.snapshots.get(id, tag);
      } catch (error) {
        if (isAppError(error, 'SNAPSHOT_DAMAGED')) {
          found.damaged.push({ name: `${name} ${tag}`, problem: messageOf(error) });
        } else if (!isAppError(error, 'SNAPSHOT_NOT_FOUND')) throw error;
      }
    }
  }
  return found;
}

/** As much of a key as `banger template list` shows. */
function shortKey(key: string): string {
  return key.slice(0, 12);
}
