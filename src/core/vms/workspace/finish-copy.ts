import type { Abortable } from '../../../base/abort.ts';
import type { KeyedMutex } from '../../../base/async.ts';
import { isAppError } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';
import { removeUnfinished } from './first-copy.ts';
import { readGuestTree } from './guest-tree.ts';

/** Notes that a copy of a working tree begins to change a guest. */
export function noteCopying(
  { records }: Pick<Vms, 'records'>,
  id: string,
  copying: NonNullable<VmRecord['copying']>,
): void {
  const current = records.get(id);
  if (current) records.update({ ...current, copying });
}

/**
 * Ends a copy of a working tree that a daemon or a VMM was killed in: what had begun to change gets its new
 * tree, a first copy is removed. Does nothing when there was none. The VM runs, and no other copy into it.
 * Best effort: the next copy does the same.
 */
export async function finishCopy(
  world: Pick<Vms, 'records' | 'live' | 'log'>,
  id: string,
  { signal }: Abortable,
): Promise<void> {
  const copying = world.records.get(id)?.copying;
  if (!copying) return;
  const { guestPath, isFirst } = copying;
  try {
    const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
    if (isFirst) await removeUnfinished(agent, guestPath);
    else await readGuestTree(agent, guestPath, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    world.log.warn('a copy of a working tree could not be finished', { vmId: id, guestPath, error });
    return;
  }
  noteEnded(world, id);
}

/** Notes that no copy is changing the guest. */
export function noteEnded({ records }: Pick<Vms, 'records'>, id: string): void {
  const current = records.get(id);
  if (!current?.copying) return;
  const { copying: _, ...ended } = current;
  records.update(ended);
}

/** As {@link finishCopy}, but does nothing while a copy into the VM is in progress. */
export async function finishLeftCopy(
  world: Pick<Vms, 'records' | 'live' | 'log'> & { preparing: KeyedMutex },
  { id, copying }: Pick<VmRecord, 'id' | 'copying'>,
  { signal }: Abortable,
): Promise<void> {
  if (!copying || world.preparing.isBusy(id)) return;
  await world.preparing.run(id, () => finishCopy(world, id, { signal }), { signal });
}
