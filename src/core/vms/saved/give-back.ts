import { withDeadline } from '../../../base/abort.ts';
import type { Task } from '../../../protocol/events.ts';
import type { TrimRequest } from '../../../protocol/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { VmHost, Vms } from '../world.ts';

/**
 * A guest whose drives take less than this on the host, in `bytes`, is not asked to give anything back: the
 * request would cost more than the space.
 */
const WORTH_BYTES = 64 * 2 ** 20;

/** How long a guest gets for all of it, in `ms`: nothing fails without it. */
const DEADLINE_MS = 10_000;

/** `ms` for a trim that somebody waits for. What is left then is given back the next time. */
const TRIM_MS = 2_000;

/**
 * What to ask a guest for that is about to be saved, so that deleted files neither stay on the host nor are
 * copied. Undefined when its drives take little.
 */
export async function trimRequestOf(
  world: Pick<VmHost, 'files'>,
  { drives = [], workBase }: VmRecord,
): Promise<TrimRequest | undefined> {
  const bytesOf = async (serial: 'overlay' | 'work'): Promise<number> => {
    const drive = drives.find((each) => each.serial === serial);
    return drive ? await world.files.allocatedBytes(drive.pathOnHost) : 0;
  };
  const [overlay, work] = await Promise.all([bytesOf('overlay'), bytesOf('work')]);
  if (overlay < WORTH_BYTES && work < WORTH_BYTES) return undefined;
  const base = workBase ? { workBase: await world.files.allocatedBytes(workBase.pathOnHost) } : {};
  return { withinMs: TRIM_MS, hostBytes: { overlay, work, ...base } };
}

/**
 * Has a running guest give back the space of deleted files before its drives are copied. It is only about
 * space: a guest that does not answer in time is copied with what its drives have.
 */
export async function giveBackSpace(
  world: Pick<Vms, 'live' | 'log'> & Pick<VmHost, 'files'>,
  record: VmRecord,
  { signal, report }: Task,
): Promise<void> {
  const trim = await trimRequestOf(world, record);
  if (!trim) return;
  report({ event: 'progress', stage: 'trim' });
  const deadlineMs = DEADLINE_MS;
  try {
    const work = async (inner: AbortSignal): Promise<void> => {
      const agent = await world.live.agent(record.id, { signal: inner, helloDeadlineMs: deadlineMs });
      await agent.sync({ signal: inner, trim });
    };
    await withDeadline(work, { signal, deadlineMs, what: 'the guest to free disk space' });
  } catch (error) {
    signal.throwIfAborted();
    world.log.info('a guest freed no disk space before it was copied', { vmId: record.id, error });
  }
}
