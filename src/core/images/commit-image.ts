import { join } from 'node:path';
import { AppError } from '../../base/errors.ts';
import type { Task } from '../../protocol/events.ts';
import { imageNameFor } from '../../protocol/image/platform.ts';
import type { StoredImage } from '../ports/images/stored-image.ts';
import type { VmRecord } from '../ports/records.ts';
import type { DriveSpec } from '../ports/vmm/spec.ts';
import { findVm } from '../vms/find-vm.ts';
import { syncFirst } from '../vms/saved/sync-first.ts';
import { driverOf } from '../vms/vm-drivers.ts';
import type { BootStores, VmHost, Vms } from '../vms/world.ts';

/** What {@link commitImage} works on. */
export type CommitWorld = Vms & VmHost & Pick<BootStores, 'images'>;

/** States of which the drives are whole; a VM in any other state changes now. */
const COMMITTABLE: readonly VmRecord['state'][] = ['running', 'suspended', 'created', 'stopped', 'error'];

/**
 * Makes the image `name` of a VM's root, as it is now: that of its image with what the guest has changed. The
 * work disk is not part of it, and neither is what the host wrote there for this VM. A running VM writes its
 * data to its drives first, is paused for a moment, and runs on.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_BUSY, VM_HAS_NO_DRIVES, IMAGE_NAME_INVALID, IMAGE_EXISTS,
 * IMAGE_NOT_FOUND, IMAGE_DAMAGED, IMAGE_TOO_LARGE, VMM_DRIVE_INVALID, VMM_SAVE_FAILED, HOST_NO_SPACE,
 * FILE_SYNC_*.
 */
export async function commitImage(
  world: CommitWorld,
  { vm, name, force = false }: { vm: string; name: string; force?: boolean | undefined },
  task: Task,
): Promise<StoredImage> {
  const record = findVm(world.records, vm);
  overlayOf(record);
  const base = await world.images.getById(record.imageId);
  const { files } = await world.hostUser.content(task);
  const hostFiles = files.filter(({ how }) => how !== 'folder').map(({ path }) => path);
  const { arch } = base;
  return await world.images.add(
    imageNameFor(name, { arch, hostArch: world.images.arch }),
    {
      arch,
      origin: { kind: 'commit', vm: record.name, base: record.imageName, at: new Date().toISOString() },
      root: {
        base: { ...base, name: record.imageName },
        hostFiles,
        readOverlay: async (target, options) => await readOverlay(world, record.id, { target, ...options }),
      },
      ...(base.kernelName === undefined ? {} : { kernelName: base.kernelName }),
      force,
    },
    task,
  );
}

/** Writes the present content of a VM's overlay drive to a raw file. Holds the VM's lock. */
async function readOverlay(
  world: CommitWorld,
  id: string,
  { target, signal, report }: Task & { target: string },
): Promise<void> {
  await world.locks.run(
    id,
    async ({ signal: held }) => {
      const record = findVm(world.records, id);
      const overlay = overlayOf(record);
      await world.files.requireSpace(
        2 * (await world.files.allocatedBytes(overlay.pathOnHost)),
        `a copy of the root of vm "${record.name}"`,
      );
      if (record.state === 'running') {
        await readRunning(world, record, { overlay, target, signal: held, report });
      } else {
        await driverOf(world, record).readDrive(overlay, { target, signal: held });
      }
    },
    { action: 'commit', report, signal },
  );
}

async function readRunning(
  world: CommitWorld,
  record: VmRecord,
  { overlay, target, signal, report }: Task & { overlay: DriveSpec; target: string },
): Promise<void> {
  const running = world.live.get(record.id);
  if (!running) {
    throw new AppError('VM_NOT_RUNNING', `vm "${record.name}" is no longer running`, {
      hint: `banger vm start ${record.name}`,
    });
  }
  await syncFirst(world, record, { signal, report });
  await using place = await world.files.openCapture(record.id);
  const copy = { ...overlay, pathOnHost: join(place.dir, `overlay.${overlay.format}`) };
  await running.copyDrives({ spec: { drives: record.drives ?? [] }, drives: [copy] }, { signal });
  await driverOf(world, record).readDrive(copy, { target, signal });
}

/** @throws {AppError} VM_BUSY, VM_HAS_NO_DRIVES. */
function overlayOf({ name, state, drives = [] }: VmRecord): DriveSpec {
  if (!COMMITTABLE.includes(state)) {
    throw new AppError('VM_BUSY', `Cannot make an image of "${name}": it is ${state}`, {
      hint: `wait for it: banger vm wait ${name}`,
      details: { state },
    });
  }
  const overlay = drives.find(({ serial }) => serial === 'overlay');
  if (overlay) return overlay;
  throw new AppError('VM_HAS_NO_DRIVES', `Cannot make an image of "${name}": its drives were never made`, {
    hint: `delete it: banger vm delete ${name}`,
    details: { state },
  });
}
