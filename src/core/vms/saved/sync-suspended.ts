import { neverAborts } from '../../../base/abort.ts';
import { messageOf } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { Saving, VmHost, Vms } from '../world.ts';
import { dropSuspended } from './drop-suspended.ts';

/** What bringing a suspended guest to the disk works on. */
type SyncWorld = Pick<Vms, 'records' | 'locks' | 'log'> & Pick<VmHost, 'files'> & Pick<Saving, 'background'>;

/**
 * Brings what a VM was suspended with to the disk, in the background. Its files are whole when the VM is
 * `suspended`, and outlive any process; until they are synced, which takes as long as the disk takes, they do
 * not outlive the host's power. `VmRecord.unsyncedIn` says so meanwhile, to the daemon that finds them after
 * that. What cannot be synced is given up: the VM is `stopped` then, with `lastError`. The caller holds the
 * VM's lock.
 */
export function beginSync(world: SyncWorld, { id: vmId }: Pick<VmRecord, 'id'>): void {
  world.background.begin(vmId, async (isLatest) => {
    const failure = await failureOf(() => world.files.syncSuspended(vmId));
    const settling = world.locks.run(
      vmId,
      async () => {
        const record = world.records.get(vmId);
        // It was resumed, stopped or deleted meanwhile, maybe suspended once more.
        if (record?.state === 'suspended' && isLatest()) await settle(world, record, { failure });
      },
      { action: 'settle', waitMs: Number.POSITIVE_INFINITY, isInterruptible: false, signal: neverAborts() },
    );
    const error = await failureOf(() => settling);
    // It is still on record as unsynced: the next daemon does this again.
    if (error !== undefined) world.log.error('a suspended guest could not be settled', { vmId, error });
  });
}

/**
 * After a start of the daemon: gives up what a VM was suspended with in another run of the host and never
 * synced, for it may lack anything. What is of this run is synced now. The caller holds the VM's lock.
 */
export async function resumeSync(world: SyncWorld, record: VmRecord): Promise<void> {
  if (record.unsyncedIn === undefined) return;
  if (record.unsyncedIn === (await world.files.hostBoot())) return beginSync(world, record);
  await giveUp(world, record, 'the host went down before it was on the disk');
}

async function settle(
  world: Pick<SyncWorld, 'records' | 'log' | 'files'>,
  record: VmRecord,
  { failure }: { failure: unknown },
): Promise<void> {
  if (failure !== undefined) {
    return await giveUp(world, record, `it could not be brought to the disk: ${messageOf(failure)}`);
  }
  const { unsyncedIn: _, ...synced } = record;
  world.records.update(synced);
}

async function giveUp(
  world: Pick<SyncWorld, 'records' | 'log' | 'files'>,
  record: VmRecord,
  why: string,
): Promise<void> {
  const message = `what "${record.name}" had in its memory when it was suspended is lost: ${why}`;
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
