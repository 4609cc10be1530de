import { neverAborts, withDeadline } from '../../../base/abort.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { Personalised } from '../../../protocol/guest.ts';
import type { VmNetwork } from '../../../protocol/vm.ts';
import type { OutsideContent } from '../../ports/host-user.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { guestNetwork } from '../../rules/nat-network.ts';
import { findVm } from '../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import { readHostContent, reportUnwritten, surroundingsOf } from '../guest/personalise.ts';
import { withSecrets } from '../guest/with-secrets.ts';
import { networkOf } from '../network/network-of.ts';
import { withProxyPorts } from '../network/proxy-ports.ts';
import type { VmHost, Vms } from '../world.ts';

/**
 * Lets a VM's guest open connections to the outside, or cuts it off: at once when it runs, else from its next
 * start on. With NAT, the guest also gets what the network outside asks for, as at a start. Not cancellable
 * once begun. If the daemon crashes in the middle, the guest is never connected while the record says that it
 * is cut off.
 *
 * @throws {AppError} VM_NOT_FOUND; what `HostUser.content` throws, before anything changed; NETWORK_FAILED,
 * VMM_LOST, VMM_REFUSED: the guest is cut off and the record says so; GUEST_* when the guest did not hear of
 * its new network: the VM has it then, and the next start or another call tells the guest.
 */
export async function setNetwork(
  world: Vms & Pick<VmHost, 'hostUser'>,
  ref: string,
  { network, report, signal }: Task & { network: VmNetwork },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  const set = async (): Promise<VmRecord> => {
    const record = findVm(world.records, id);
    const running = record.state === 'running' ? world.live.get(id) : undefined;
    if (!running) return world.records.update(withNetwork(record, network));
    if (network.mode === 'none') return await cutOff(world, record, { network, running });
    const { outside } = await readHostContent(world, { signal });
    return await connect(world, record, { network, running, outside, report });
  };
  return await world.locks.run(id, set, { action: 'change', signal });
}

async function connect(
  world: Pick<Vms, 'records' | 'live'>,
  record: VmRecord,
  {
    network,
    running,
    outside,
    report,
  }: { network: VmNetwork; running: RunningVm; outside: OutsideContent; report: Report },
): Promise<VmRecord> {
  const wanted = withNetwork(record, network);
  const connected = world.records.update(withProxyPorts(wanted, outside));
  try {
    await running.setNetwork(networkOf(connected), { signal: neverAborts() });
  } catch (error) {
    world.records.update(withNetwork(record, { ...network, mode: 'none' }));
    throw error;
  }
  for (const message of outside.notices) report({ event: 'notice', message });
  const whole = await withSecrets(outside, connected, { running, signal: neverAborts() });
  reportUnwritten(await tellGuest(world, connected, whole), report);
  return connected;
}

async function cutOff(
  world: Pick<Vms, 'records' | 'live' | 'log'>,
  record: VmRecord,
  { network, running }: { network: VmNetwork; running: RunningVm },
): Promise<VmRecord> {
  await running.setNetwork({ mode: 'none' }, { signal: neverAborts() });
  const alone = world.records.update(withNetwork(record, network));
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

/** Proxies are given to a guest when it is connected. */
function withNetwork({ proxyPorts: _, ...record }: VmRecord, network: VmNetwork): VmRecord {
  return { ...record, network };
}

/** Returns what could not be written in the guest. */
async function tellGuest(
  world: Pick<Vms, 'live'>,
  { id, network }: VmRecord,
  outside?: OutsideContent,
): Promise<Personalised['unwritten']> {
  return await withDeadline(
    async (signal) => {
      const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
      const told = { network: guestNetwork(network), surroundings: surroundingsOf(outside) };
      return (await agent.personalise(told, { signal })).unwritten;
    },
    { signal: neverAborts(), deadlineMs: AGENT_DEADLINES_MS.stream, what: 'the guest to set up its network' },
  );
}
