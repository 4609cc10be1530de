import { createHash, randomBytes } from 'node:crypto';
import type { Abortable } from '../../base/abort.ts';
import type { GuestAgent } from '../ports/guest.ts';
import type { VmRecord } from '../ports/records.ts';
import { guestNetwork } from '../rules/nat-network.ts';

/**
 * Makes the guest this VM's own, before any user byte runs. Fail-closed: a guest that could not do all of it is not used.
 *
 * @throws {AppError} GUEST_FAILED naming the step that failed; GUEST_LOST, GUEST_PROTOCOL.
 */
export async function personalise(agent: GuestAgent, record: VmRecord, options: Abortable): Promise<void> {
  await agent.personalise(
    {
      wallClockMs: Date.now(),
      entropyBase64: randomBytes(64).toString('base64'),
      hostname: record.name,
      machineId: machineIdOf(record.id),
      network: guestNetwork(record.nat),
    },
    options,
  );
}

/** The same for every start of a VM, another for every VM (machine-id(5): 128 bits, as 32 hex digits). */
function machineIdOf(vmId: string): string {
  return createHash('sha256').update(`banger machine-id ${vmId}`).digest('hex').slice(0, 32);
}
