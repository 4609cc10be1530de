import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { errorBodyOf } from '../../../protocol/error-body.ts';
import type { Report } from '../../../protocol/events.ts';
import { SNAPSHOT_TAG } from '../../../protocol/vm-limits.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { StoredSnapshot } from '../../ports/snapshots.ts';
import { findRunningVm, findVm } from '../find-vm.ts';
import { bootVm } from '../lifecycle/boot-vm.ts';
import { driveRequestOf, planStart } from '../lifecycle/plan-vm.ts';
import { requireRoomToStart } from '../require-room.ts';
import type { VmWorld } from '../world.ts';
import { captureVm } from './capture-vm.ts';

/**
 * Keeps a running VM as it is now, memory and drives; it runs on.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, SNAPSHOT_TAG_INVALID, SNAPSHOT_EXISTS, VMM_SAVE_FAILED, HOST_NO_SPACE.
 */
export async function createSnapshot(
  world: VmWorld,
  ref: string,
  { tag = timeTag(new Date()), signal, report }: Abortable & { tag?: string | undefined; report: Report },
): Promise<StoredSnapshot> {
  const { id } = findVm(world.records, ref);
  if (!SNAPSHOT_TAG.test(tag)) throw tagInvalid(tag);
  return await world.locks.run(
    id,
    async ({ signal: held }) => {
      const options = { signal: held, report };
      const record = findRunningVm(world.records, id);
      const plan = await planStart(world, record, options);
      const facts = { shape: record.shape, hasNat: record.nat };
      const work = async (place: Parameters<typeof captureVm>[2]['place']) =>
        (await captureVm(world, record, { place, plan, ...options })).drives;
      return await world.snapshots.make(id, { tag, facts, work }, options);
    },
    { action: 'snapshot', report, signal },
  );
}

/**
 * Puts a VM back to a snapshot of it, memory and drives, and lets it go on from there. What it is now is given up, without a word to its guest, once the
 * snapshot's drives are there: a failure before that leaves it as it is, a later one in state `error`, with the drives of the snapshot.
 *
 * @throws {AppError} VM_NOT_FOUND, SNAPSHOT_NOT_FOUND, SNAPSHOT_DAMAGED, HOST_NO_SPACE, VMM_RESTORE_FAILED; as {@link bootVm}.
 */
export async function restoreSnapshot(
  world: VmWorld,
  ref: string,
  { tag, signal, report }: Abortable & { tag: string; report: Report },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async ({ signal: held }) => {
      const options = { signal: held, report };
      const snapshot = await world.snapshots.get(id, tag);
      const { shape, hasNat } = snapshot.facts;
      const record: VmRecord = { ...findVm(world.records, id), shape, nat: hasNat };
      const plan = await planStart(world, record, options);
      await using undo = new ResourceStack();
      undo.defer('remove the new drives', () => keepDrives(world, record));
      report({ event: 'progress', stage: 'drives', detail: tag });
      const drives = await world.driver.prepareDrives(
        driveRequestOf(plan, { dir: await world.files.createDriveDir(id), copyOf: snapshot.drives }),
        options,
      );
      await requireRoomToStart(world);
      // Only now: whatever had failed so far, a full disk above all, would have cost what the VM is.
      await endNow(world, id);
      const starting = world.records.update({ ...record, state: 'starting', drives });
      undo.move();
      await keepDrives(world, starting);
      await world.files.removeSuspended(id);
      const { boot, probe } = plan;
      try {
        return await bootVm(world, starting, { boot, probe, ...options, from: snapshot.saved });
      } catch (error) {
        const { code, message } = errorBodyOf(error);
        world.records.update({ ...starting, state: 'error', lastError: { code, message } });
        throw error;
      }
    },
    { action: 'restore', report, signal },
  );
}

/** Removes the drives that a VM has besides those of its record. */
async function keepDrives(world: VmWorld, { id, drives = [] }: VmRecord): Promise<void> {
  await world.files.sweepDrives(
    id,
    drives.map(({ pathOnHost }) => pathOnHost),
  );
}

/** Ends the VMM, if there is one, as it is. */
async function endNow(world: VmWorld, vmId: string): Promise<void> {
  const running = world.live.get(vmId);
  if (!running) return;
  const stopping = world.records.update({ ...findVm(world.records, vmId), state: 'stopping' });
  await world.live.remove(vmId);
  await running.kill();
  world.records.update({ ...stopping, state: 'stopped' });
}

/** `20260131-235959`, in UTC. */
function timeTag(now: Date): string {
  return now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}

function tagInvalid(tag: string): AppError {
  return new AppError('SNAPSHOT_TAG_INVALID', `Cannot use ${JSON.stringify(tag.slice(0, 80))} as a tag`, {
    hint: "use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit",
    details: { field: 'tag', value: tag },
  });
}
