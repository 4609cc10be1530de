import type { VmRecord } from '../ports/records.ts';
import type { RunningVm } from '../ports/vmm/running-vm.ts';
import type { VmHost } from './world.ts';

/**
 * Most memory that a guest shares with its template, which its VMM's own usage does not count, in `bytes`.
 */
const OF_A_TEMPLATE_BYTES = 256 * 2 ** 20;

/** For device state, manifests, and what is written to drives while they are copied. */
const MARGIN_BYTES = 32 * 2 ** 20;

/** Logs, sockets, and a guest's first writes, in `bytes`. */
const START_BYTES = 16 * 2 ** 20;

/**
 * Checks that the disk has room for a guest to run at all: before its saved memory is given up, and when it
 * did not become ready.
 *
 * @throws {AppError} HOST_NO_SPACE
 */
export async function requireRoomToStart(world: Pick<VmHost, 'files'>): Promise<void> {
  await world.files.requireSpace(START_BYTES, 'what a VM needs to start');
}

/**
 * Checks that the disk has room to save or copy a running guest before anything begins: a full disk stops
 * every VM that writes to it. Counts drives in full, even where the file system will share their blocks.
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
