import { neverAborts } from '../../../base/abort.ts';
import { messageOf } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { Saving, VmHost, Vms } from '../world.ts';
import { dropSuspended } from './drop-suspended.ts';

/** What syncing a suspended guest works on. */
type SyncWorld = Pick<Vms, 'records' | 'locks' | 'log'> & Pick<VmHost, 'files'> & Pick<Saving, 'background'>;

/**
 * Syncs the files of a suspended guest in the background. They are whole when the VM is `suspended`, and
 * survive a crash of any process; until the sync ends they do not survive a power failure of the host.
 * `VmRecord.unsyncedIn` tells the next daemon so. When the sync fails, the files are deleted and the VM is
 * `stopped`, with `lastError`. The caller holds the VM's lock.
 */
export function beginSync(world: SyncWorld, { id: vmId }: Pick<VmRecord, 'id'>): void {
  world.background.begin(vmId, async (isLatest) => {
    const failure = await failureOf(() => world.files.syncSuspended(vmId));
    const settling = world.locks.run(
      vmId,
      async () => {
        const record = world.records.get(vmId);
        // The VM may have been resumed, stopped, deleted or suspended again meanwhile.
        if (record?.state === 'suspended' && isLatest()) await settle(world, record, { failure });
      },
      { action: 'settle', waitMs: Number.POSITIVE_INFINITY, isInterruptible: false, signal: neverAborts() },
    );
    const error = await failureOf(() => settling);
    // The record still says that it is unsynced, so the next daemon syncs it again.
    if (error !== undefined) world.log.error('a suspended guest could not be synced', { vmId, error });
  });
}

/**
 * For a daemon that starts: deletes a suspended guest that was written in an earlier boot of the host and
 * never synced, because any part of it may be missing. Syncs one that was written in this boot. The caller
 * holds the VM's lock.
 */
export async function resumeSync(world: SyncWorld, record: VmRecord): Promise<void> {
  if (record.unsyncedIn === undefined) return;
  if (record.unsyncedIn === (await world.files.hostBoot())) return beginSync(world, record);
  await giveUp(world, record, 'the host went down before it was written to disk');
}

async function settle(
  world: Pick<SyncWorld, 'records' | 'log' | 'files'>,
  record: VmRecord,
  { failure }: { failure: unknown },
): Promise<void> {
  if (failure !== undefined) {
    return await giveUp(world, record, `it could not be written to disk: ${messageOf(failure)}`);
  }
  const { unsyncedIn: _, ...synced } = record;
  world.records.update(synced);
}

async function giveUp(
  world: Pick<SyncWorld, 'records' | 'log' | 'files'>,
  record: VmRecord,
  why: string,
): Promise<void> {
  const message = `the memory of suspended vm "${record.name}" is lost: ${why}`;
  world.log.error(message, { vmId: record.id });
  const lastError = { code: 'VM_MEMORY_LOST', message };
  await dropSuspended(world, { ...record, lastError });
}

async function failureOf(work: () => Promise<void>): Promise<unknown> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error;
  }
}
