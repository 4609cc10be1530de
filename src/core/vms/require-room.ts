import type { VmRecord } from '../ports/records.ts';
import type { RunningVm } from '../ports/vmm/running-vm.ts';
import type { VmHost } from './world.ts';

/**
 * Memory that a guest may have of the template that it was made of, without a page of it being its VMM's own,
 * in `bytes`.
 */
const OF_A_TEMPLATE_BYTES = 256 * 2 ** 20;

/** For device state, manifests, and what the drives' copies are behind with. */
const MARGIN_BYTES = 32 * 2 ** 20;

/** Logs, sockets, and what a guest writes at once, in `bytes`. */
const START_BYTES = 16 * 2 ** 20;

/**
 * Makes sure that there is room for a guest to run at all: before what was saved of it is given up, and when
 * it did not become ready.
 *
 * @throws {AppError} HOST_NO_SPACE
 */
export async function requireRoomToStart(world: Pick<VmHost, 'files'>): Promise<void> {
  await world.files.requireSpace(START_BYTES, 'what a VM needs to start');
}

/**
 * Makes sure that there is room to save or to copy a running guest, before anything is begun: a disk that is
 * filled to its last byte stops the VMs that write to it. Drives are counted in full, also where the file
 * system will share their blocks.
 *
 * @throws {AppError} HOST_NO_SPACE
 */
export async function requireRoom(
  world: Pick<VmHost, 'files'>,
  { shape, drives = [] }: VmRecord,
  { running, what, withDrives = false }: { running: RunningVm; what: string; withDrives?: boolean },
): Promise<void> {
  const used = (await running.usage()).memoryBytes + OF_A_TEMPLATE_BYTES;
  let neededBytes = Math.min(shape.memoryMib * 2 ** 20, used) + MARGIN_BYTES;
  for (const { isReadOnly, pathOnHost } of drives) {
    if (withDrives && !isReadOnly) neededBytes += await world.files.allocatedBytes(pathOnHost);
  }
  await world.files.requireSpace(neededBytes, what);
}
