import type { KeyedMutex } from '../../../base/async.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { BuildFiles } from '../../ports/images/build-files.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { createVm } from '../../vms/lifecycle/create-vm.ts';
import { deleteVm } from '../../vms/lifecycle/delete-vm.ts';
import { setVm } from '../../vms/lifecycle/set-vm.ts';
import type { StartWorld } from '../../vms/lifecycle/start-new.ts';
import { startVm } from '../../vms/lifecycle/start-vm.ts';
import { stopVm } from '../../vms/lifecycle/stop-vm.ts';
import type { PlanWorld } from '../../vms/plan/make-plan.ts';
import type {
  BootStores,
  EgressPolicies,
  GuestWaits,
  UnrecordedVms,
  VmDefaults,
  VmHost,
  VmNetwork,
  Vms,
} from '../../vms/world.ts';
import { BUILDER_IMAGE, findBuilderImage } from './builder-image.ts';

/** Size of the disk with the layers of earlier builds; it takes what is used of it. */
export const CACHE_DISK_BYTES = 20 * 2 ** 30;

const MEMORY_MIB = 2048;
/** The system of the guest writes next to nothing outside of its cache disk. */
const SYSTEM_BYTES = 512 * 2 ** 20;

/** What building Dockerfiles works on. */
export type BuilderWorld = Vms &
  VmHost &
  BootStores &
  VmDefaults &
  EgressPolicies &
  StartWorld &
  PlanWorld &
  Pick<VmNetwork, 'addresses'> &
  Pick<GuestWaits, 'syncLimits'> &
  Pick<UnrecordedVms, 'pool'> & {
    buildFiles: BuildFiles;
    /** builds, one after another */
    building: KeyedMutex;
  };

/** A builder that runs. */
export interface RunningBuilder {
  record: VmRecord;
  running: RunningVm;
}

/**
 * Starts the VM that builds Dockerfiles, which it makes when there is none or its system is another one by
 * now. Its work disk is the cache: it stays between builds. The caller holds the turn of builds.
 *
 * @throws {AppError} what {@link findBuilderImage}, {@link createVm} and {@link startVm} throw.
 */
export async function startBuilder(
  world: BuilderWorld,
  { nat, report, signal }: Task & { nat: boolean },
): Promise<RunningBuilder> {
  const image = await findBuilderImage(world, { report, signal });
  const task = { report: quietly(report), signal };
  report({ event: 'progress', stage: 'builder', detail: 'starting' });
  const record = await startRecord(world, { imageId: image.id, nat }, task);
  const running = world.live.get(record.id);
  if (running) return { record, running };
  // It ended between its start and here; what is on record about that is the error.
  return await startBuilder(world, { nat, report, signal });
}

async function startRecord(
  world: BuilderWorld,
  { imageId, nat }: { imageId: string; nat: boolean },
  task: Task,
): Promise<VmRecord> {
  const found = findBuilder(world);
  if (found && found.imageId === imageId) {
    if ((found.network.mode === 'user') !== nat) await setVm(world, found.id, { ...task, request: { nat } });
    return await startVm(world, found.id, { ...task, isCold: true });
  }
  if (found) await deleteVm(world, found.id);
  const request = {
    name: BUILDER_IMAGE,
    image: BUILDER_IMAGE,
    memoryMib: MEMORY_MIB,
    diskSizeBytes: CACHE_DISK_BYTES,
    systemOverlaySizeBytes: SYSTEM_BYTES,
    nat,
    cold: true,
  };
  return await createVm(world, request, { ...task, purpose: 'builder' });
}

/** Stops the builder. Its cache stays, unless with `clearsCache`. Cannot be cancelled. */
export async function stopBuilder(
  world: BuilderWorld,
  { record: { id } }: RunningBuilder,
  { clearsCache, report }: { clearsCache: boolean; report: Report },
): Promise<void> {
  if (clearsCache) await deleteVm(world, id);
  else await stopVm(world, id, { report: quietly(report) });
}

/** The VM that builds Dockerfiles, if there is one. */
function findBuilder({ records }: Pick<Vms, 'records'>): VmRecord | undefined {
  return records.list().find(({ purpose }) => purpose === 'builder');
}

/** Leaves out what only interests the owner of a VM. */
function quietly(report: Report): Report {
  return (event) => {
    if (event.event === 'progress') report(event);
  };
}
