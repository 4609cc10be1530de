import type { Duplex } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { findVm } from '../find-vm.ts';
import { openGuestPort } from '../guest/open-guest-port.ts';
import { type WakeWorld, wakeVm } from './wake-vm.ts';

/**
 * Connects to a TCP port of a guest, as {@link openGuestPort}, and first resumes a suspended VM, as
 * {@link wakeVm}.
 *
 * @throws {AppError} as both.
 */
export async function reachGuestPort(
  world: WakeWorld,
  { ref, port, signal }: Abortable & { ref: string; port: number },
): Promise<Duplex> {
  const { id } = await wakeVm(world, ref, { signal });
  try {
    return await openGuestPort(world, { ref: id, port, signal });
  } catch (error) {
    // It may have been suspended since.
    const isGone = isAppError(error, 'VM_NOT_RUNNING', 'VMM_LOST', 'GUEST_LOST', 'GUEST_UNREACHABLE');
    if (!isGone || findVm(world.records, id).state === 'running') throw error;
    await wakeVm(world, id, { signal });
    return await openGuestPort(world, { ref: id, port, signal });
  }
}
