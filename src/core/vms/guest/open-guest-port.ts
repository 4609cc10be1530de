import type { Duplex } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { findRunningVm } from '../find-vm.ts';
import type { Vms } from '../world.ts';
import { AGENT_DEADLINES_MS } from './agent-deadlines.ts';

/**
 * Connects to a TCP port on the loopback addresses of a running guest; needs no network in the guest. The
 * stream is that of `GuestAgent.tcp`: its two directions end independently.
 *
 * @throws {AppError} GUEST_PORT_CLOSED when nothing listens there; REQUEST_INVALID for what is no port;
 * VM_NOT_FOUND, VM_NOT_RUNNING, GUEST_*.
 */
export async function openGuestPort(
  world: Pick<Vms, 'records' | 'live'>,
  { ref, port, signal }: Abortable & { ref: string; port: number },
): Promise<Duplex> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new AppError('REQUEST_INVALID', `Cannot use port ${port}: it is not a number from 1 to 65535`, {
      details: { field: 'port' },
    });
  }
  const { id, name } = findRunningVm(world.records, ref);
  const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  try {
    return await agent.tcp(port, { signal });
  } catch (error) {
    if (!isAppError(error, 'GUEST_FAILED') || error.details?.['guestCode'] !== 'not_found') throw error;
    throw new AppError(
      'GUEST_PORT_CLOSED',
      `Cannot connect to port ${port} of "${name}": nothing listens on it`,
      { hint: `banger vm ports ${name}`, details: { port }, cause: error },
    );
  }
}
