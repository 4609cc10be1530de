import { AppError } from '../../../base/errors.ts';
import { WAITS_FOR_SPACE_HINT } from '../../../protocol/guest.ts';
import type { ConnectOptions, GuestAgent, GuestConnector } from '../../ports/guest.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { whileRunning } from '../while-running.ts';

/** Which VM's agent to connect to, and how. */
export interface ConnectAgentOptions extends Omit<ConnectOptions, 'whySilent'> {
  /** for errors that name no VM */
  vmId: string;
}

/**
 * Opens a link to the agent of a VM whose VMM runs. When the guest is silent because the host has no disk
 * space for what it writes, the failure is HOST_NO_SPACE in place of GUEST_UNREACHABLE or, later, GUEST_LOST.
 *
 * @throws {AppError} VMM_LOST when the VMM ends meanwhile; HOST_NO_SPACE, GUEST_UNREACHABLE,
 * GUEST_GENERATION. Nothing is left open after a failure.
 */
export async function connectAgent(
  connector: GuestConnector,
  running: RunningVm,
  { vmId, ...options }: ConnectAgentOptions,
): Promise<GuestAgent> {
  const whySilent = (): AppError | undefined =>
    running.isStalled ? waitsForSpace({ vmId, name: options.vmName?.() }) : undefined;
  return await whileRunning(
    running,
    (inner) => connector.connect(running.guestEndpoint, { ...options, ...inner, whySilent }),
    { signal: options.signal, what: 'reach the guest' },
  );
}

/** The error of a guest that is paused until there is disk space. */
export function waitsForSpace({ vmId, name = vmId }: { vmId: string; name?: string | undefined }): AppError {
  return new AppError(
    'HOST_NO_SPACE',
    `Cannot reach the guest of vm "${name}": it is paused, because this host has no disk space for what it writes`,
    { hint: WAITS_FOR_SPACE_HINT, details: { vmId } },
  );
}
