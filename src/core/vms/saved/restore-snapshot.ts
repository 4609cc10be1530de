import { abortable } from '../../../base/async.ts';
import { AppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { formatSize } from '../../../base/text/size.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { StoredSnapshot } from '../../ports/snapshots.ts';
import type { DriveSpec } from '../../ports/vmm/spec.ts';
import { requireFit } from '../../rules/saved-by.ts';
import { findVm } from '../find-vm.ts';
import type { BootWorld } from '../lifecycle/boot-vm.ts';
import { noteAccelerator, runtimeOf } from '../lifecycle/boot-vm.ts';
import { watchExit } from '../lifecycle/watch-exit.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { driveRequestOf, planStart } from '../plan/make-plan.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import { requireRoomToStart } from '../require-room.ts';
import type { Saving, UnrecordedVms, VmHost, Vms } from '../world.ts';
import { withoutSaved } from './drop-suspended.ts';
import { type SecondVm, startSecond, withoutSecond } from './second-vmm.ts';

/** Most memory that a restored guest touches until it replaces the other, in `bytes`. */
const SECOND_MEMORY_BYTES = 512 * 2 ** 20;

/** How a VM is restored from a snapshot. */
export interface RestoreSnapshotOptions extends Task {
  tag: string;
  /** boot with the snapshot's drives, without its memory */
  isCold?: boolean | undefined;
}

/**
 * Restores a VM from one of its snapshots, memory and drives. The snapshot's guest comes up beside the
 * present one and replaces it once it may be used; only then the present guest is ended, without a shutdown.
 * After a failure or an abort before that nothing has changed: the VM keeps running, or is suspended or
 * stopped as before.
 *
 * @throws {AppError} VM_NOT_FOUND, SNAPSHOT_NOT_FOUND, SNAPSHOT_DAMAGED, SAVED_GUEST_DIFFERS, HOST_NO_SPACE,
 * HOST_NO_MEMORY, VMM_RESTORE_FAILED; as `bootVm`.
 */
export async function restoreSnapshot(
  world: BootWorld &
    PlanWorld &
    Pick<Saving, 'snapshots' | 'freeMemoryBytes'> &
    Pick<UnrecordedVms, 'connector'>,
  ref: string,
  { tag, isCold = false, signal, report }: RestoreSnapshotOptions,
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async ({ signal: held }) => {
      const options = { signal: held, report };
      const snapshot = await world.snapshots.get(id, tag);
      const before = findVm(world.records, id);
      const plan = await planStart(world, putBack(before, snapshot), options);
      if (isCold) noteAccelerator(plan.probe, report);
      else requireSnapshotFits(before, snapshot, plan);
      requireMemoryForTwo(world, before, snapshot);
      await using undo = new ResourceStack();
      // On record before a second VMM can exist, so that the next daemon ends it after a crash.
      const marked = world.records.update({ ...before, hasSecondVmm: true });
      undo.defer('take the second VMM off the record', () => {
        world.records.update(withoutSecond(findVm(world.records, id)));
      });
      undo.defer('remove the new drives', () => keepDrives(world, marked));
      report({ event: 'progress', stage: 'drives', detail: tag });
      const drives = await plan.driver.prepareDrives(
        driveRequestOf(plan, {
          dir: await world.files.createDriveDir(id),
          copyOf: snapshot.drives,
          workBase: before.workBase,
        }),
        options,
      );
      await requireRoomToStart(world);
      using sync = beginSync(world, id, drives);
      const from = isCold ? undefined : snapshot.saved;
      const wanted = { ...putBack(marked, snapshot), drives };
      const second = await startSecond(world, wanted, { plan, from, ...options });
      undo.defer('end the second VMM', async () => await second[Symbol.asyncDispose]());
      await abortable(sync.done, held);
      return await takePlace(world, id, { snapshot, drives, plan, second, undo });
    },
    { action: 'restore', report, signal },
  );
}

/** The record with the snapshot's shape and network. Its guest may hold an older copy of the working tree. */
function putBack(record: VmRecord, { facts: { shape, network } }: StoredSnapshot): VmRecord {
  const { copying: __, ...kept } = record;
  const changed = { ...kept, shape, network };
  if (!record.workspace) return changed;
  const { sentCommit: _, ...workspace } = record.workspace;
  return { ...changed, workspace };
}

function requireSnapshotFits({ name }: VmRecord, { tag, facts }: StoredSnapshot, { probe }: VmPlan): void {
  const hint = `its disks can still be used: banger vm snapshot restore --cold ${name} ${tag} boots vm "${name}" from them`;
  requireFit(facts.savedBy, { probe }, { what: `restore the snapshot "${tag}" of vm "${name}"`, hint });
}

/** Two guests of the VM are in memory for a moment; of the second, only the pages that it touches count. */
function requireMemoryForTwo(
  world: Pick<Vms, 'live'> & Pick<Saving, 'freeMemoryBytes'>,
  { id, name }: VmRecord,
  { tag, facts }: StoredSnapshot,
): void {
  if (!world.live.get(id)) return;
  const neededBytes = Math.min(facts.shape.memoryMib * 2 ** 20, SECOND_MEMORY_BYTES);
  const freeBytes = world.freeMemoryBytes();
  if (freeBytes >= neededBytes) return;
  const [needed, free] = [formatSize(neededBytes), formatSize(freeBytes)];
  throw new AppError(
    'HOST_NO_MEMORY',
    `Cannot restore the snapshot "${tag}" of vm "${name}": the VM keeps running until the snapshot's guest has started, which needs ${needed} of memory, and ${free} are free`,
    { hint: `stop it first: banger vm stop ${name}`, details: { neededBytes, freeBytes } },
  );
}

/**
 * Starts to sync new drives while the guest comes up, because a slow disk takes long. Disposing cancels
 * without waiting; the files may be removed at once.
 */
function beginSync(
  world: Pick<VmHost, 'files'>,
  vmId: string,
  drives: readonly DriveSpec[],
): Disposable & { done: Promise<void> } {
  const stop = new AbortController();
  const done = world.files.syncDrives(vmId, pathsOf(drives), { signal: stop.signal });
  done.catch(() => {});
  return { done, [Symbol.dispose]: () => stop.abort() };
}

/**
 * Makes the second VMM the VM's own with one change of the record, and ends the earlier one. The restore is
 * then complete: what cannot be removed of the earlier one is left to the next daemon.
 */
async function takePlace(
  world: Vms & Pick<VmHost, 'drivers' | 'files'>,
  id: string,
  {
    snapshot,
    drives,
    plan,
    second: { running, agent },
    undo,
  }: {
    snapshot: StoredSnapshot;
    drives: readonly DriveSpec[];
    plan: VmPlan;
    second: SecondVm;
    undo: ResourceStack;
  },
): Promise<VmRecord> {
  const { lastError: _, ...well } = withoutSaved(putBack(findVm(world.records, id), snapshot));
  const runtime = runtimeOf(running, plan.probe);
  const switched = world.records.update({ ...well, state: 'running', drives, runtime });
  undo.move();
  try {
    const former = await world.live.replace(id, running, agent);
    watchExit(world, id, running);
    await former?.kill();
    await world.files.removeSuspended(id);
    await world.files.sweepDrives(id, pathsOf(drives), { areDurable: true });
    await world.files.sweepRuntimes(id);
    return world.records.update(withoutSecond(switched));
  } catch (error) {
    world.log.error('files of a VM from before its restore are left', { vmId: id, error });
    return switched;
  }
}

/** Removes the VM's drives that are not in its record. */
async function keepDrives(world: Pick<VmHost, 'files'>, { id, drives = [] }: VmRecord): Promise<void> {
  await world.files.sweepDrives(id, pathsOf(drives));
}

function pathsOf(drives: readonly DriveSpec[]): string[] {
  return drives.map(({ pathOnHost }) => pathOnHost);
}
