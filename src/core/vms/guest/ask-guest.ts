import { type Abortable, anySignal } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { LiveVms } from '../live-vms.ts';
import { withAgent } from './with-agent.ts';

/** `ms` without an answer after which the VMM is checked, and `ms` for the VMM to answer. */
const LOOK_AFTER_MS = 2_000;
const VMM_DEADLINE_MS = 2_000;

/** A request to a guest's agent. */
export interface Question<T> extends Abortable {
  /** what cannot be done without the answer: `list the ports of vm "web"` */
  what: string;
  work: (agent: GuestAgent, options: Abortable) => Promise<T>;
}

/**
 * Sends the agent of a running VM a short request, and names the VM when the agent does not answer. When the
 * VMM itself hangs, this fails after a few seconds instead of waiting for the guest.
 *
 * @throws {AppError} VMM_HANGS; GUEST_UNREACHABLE after 30 s; HOST_NO_SPACE when that is why the guest is
 * silent; as `LiveVms.agent`; what `work` throws.
 */
export async function askGuest<T>(
  world: { live: Pick<LiveVms, 'agent' | 'get' | 'whySilent'> },
  { id, name }: Pick<VmRecord, 'id' | 'name'>,
  { what, work, signal }: Question<T>,
): Promise<T> {
  const hung = new AbortController();
  const look = setTimeout(() => void lookAtVmm(), LOOK_AFTER_MS);
  using either = anySignal(signal, hung.signal);
  try {
    return await withAgent(world, id, { signal: either.signal, work });
  } catch (error) {
    if (hung.signal.aborted) throw hung.signal.reason;
    if (!isAppError(error, 'WAIT_TIMEOUT', 'GUEST_UNREACHABLE', 'GUEST_LOST')) throw error;
    throw new AppError('GUEST_UNREACHABLE', `Cannot ${what}: its guest agent does not answer`, {
      hint: `its console shows what the guest does: banger vm logs ${name}`,
      details: { vmId: id },
      cause: error,
    });
  } finally {
    clearTimeout(look);
  }

  async function lookAtVmm(): Promise<void> {
    const running = world.live.get(id);
    if (!running || (await running.responds({ withinMs: VMM_DEADLINE_MS, signal }).catch(() => true))) return;
    hung.abort(vmmHangs({ what, name, pid: running.vmm.pid }));
  }
}

/** The error for a VM whose VMM does not answer. */
function vmmHangs({ what, name, pid }: { what: string; name: string; pid: number }): AppError {
  return new AppError('VMM_HANGS', `Cannot ${what}: its VMM, process ${pid}, does not answer`, {
    hint: `find out what blocks that process, or kill the VM: banger vm kill ${name}`,
    details: { pid },
  });
}
