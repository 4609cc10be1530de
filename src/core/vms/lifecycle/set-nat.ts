import { type Abortable, neverAborts, withDeadline } from '../../../base/abort.ts';
import { messageOf } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { guestNetwork } from '../../rules/nat-network.ts';
import { findVm } from '../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';

/**
 * Lets a VM's guest open connections to the outside, or cuts it off: at once when it runs, else from its next
 * start on. Not cancellable once begun. If the daemon crashes in the middle, the guest is never connected
 * while the record says that it is cut off.
 *
 * @throws {AppError} VM_NOT_FOUND; VMM_LOST, VMM_REFUSED: the guest is cut off and the record says so;
 * GUEST_* when the guest could not be told of its new network: the VM has it then, and the next start or
 * another call tells the guest.
 */
export async function setNat(
  world: Vms,
  ref: string,
  { hasNat, signal }: Abortable & { hasNat: boolean },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  const set = async (): Promise<VmRecord> => {
    const record = findVm(world.records, id);
    const running = record.state === 'running' ? world.live.get(id) : undefined;
    if (!running) return world.records.update({ ...record, nat: hasNat });
    return hasNat ? await connect(world, record, running) : await cutOff(world, record, running);
  };
  return await world.locks.run(id, set, { action: 'change', signal });
}

async function connect(
  world: Pick<Vms, 'records' | 'live'>,
  record: VmRecord,
  running: RunningVm,
): Promise<VmRecord> {
  const connected = world.records.update({ ...record, nat: true });
  try {
    await running.setNat(true, { signal: neverAborts() });
  } catch (error) {
    world.records.update({ ...record, nat: false });
    throw error;
  }
  await tellGuest(world, connected);
  return connected;
}

async function cutOff(
  world: Pick<Vms, 'records' | 'live' | 'log'>,
  record: VmRecord,
  running: RunningVm,
): Promise<VmRecord> {
  await running.setNat(false, { signal: neverAborts() });
  const alone = world.records.update({ ...record, nat: false });
  try {
    await tellGuest(world, alone);
  } catch (error) {
    // The guest has no network, and its connections just time out.
    world.log.warn('a guest does not know that its network is off', {
      vmId: record.id,
      error: messageOf(error),
    });
  }
  return alone;
}

async function tellGuest(world: Pick<Vms, 'live'>, { id, nat }: VmRecord): Promise<void> {
  await withDeadline(
    async (signal) => {
      const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
      await agent.personalise({ network: guestNetwork(nat) }, { signal });
    },
    { signal: neverAborts(), deadlineMs: AGENT_DEADLINES_MS.stream, what: 'the guest to set up its network' },
  );
}
