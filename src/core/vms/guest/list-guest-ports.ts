import { type Abortable, withDeadline } from '../../../base/abort.ts';
import type { GuestPort } from '../../../protocol/guest.ts';
import type { VmPort, VmPorts } from '../../../protocol/usage.ts';
import { hostNameOf } from '../../../protocol/vm-domain.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import { findRunningVm, findVm } from '../find-vm.ts';
import type { ForwardedPort } from '../network/vm-forwards.ts';
import type { Vms } from '../world.ts';
import { askGuest } from './ask-guest.ts';
import { MAX_PROBED, speaksWeb, type WebScheme } from './web-probe.ts';

/** `ms` to find out which of a guest's ports speak HTTP, for all of them together. */
const PROBE_DEADLINE_MS = 4_000;

/** Where ports of a VM's guest are reached on this host. */
export interface HostPorts {
  of(vmId: string): ForwardedPort[];
}

/** How ports of guests are reached on this host. */
export interface HostSide {
  forwards: HostPorts;
  /** whether programs of this host find `NAME.vm` */
  areNamesResolved: boolean;
}

/**
 * Lists the ports that a guest listens on, and probes for a few seconds which of them are web servers. A
 * suspended VM is not resumed: its ports are those from before, without their programs.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, VMM_HANGS, GUEST_*.
 */
export async function listGuestPorts(
  world: Pick<Vms, 'records' | 'live'>,
  ref: string,
  { forwards, areNamesResolved, signal }: Abortable & HostSide,
): Promise<VmPorts> {
  const record = findVm(world.records, ref);
  const { id, name } = record;
  if (record.state === 'suspended') {
    const ports = forwards.of(id).map((port) => onHost(savedPort(port, name), port));
    return { vm: { id, name }, ports };
  }
  findRunningVm(world.records, id);
  const what = `list the ports of vm "${name}"`;
  const { agent, found } = await askGuest(
    world,
    { id, name },
    {
      what,
      signal,
      work: async (one, options) => ({ agent: one, found: await one.ports(options) }),
    },
  );
  const ports = mergedPorts(found, name);
  const schemes = await probe(agent, ports, { signal });
  const all = forwards.of(id);
  const automatic = new Map(all.filter((port) => !port.isExplicit).map((port) => [port.guestPort, port]));
  const explicit = all
    .filter((port) => port.isExplicit)
    .map((port) => {
      const known = ports.find((one) => one.proto === 'tcp' && one.port === port.guestPort);
      return onHost(known ?? savedPort(port, name), port);
    });
  return {
    vm: { id, name },
    ports: [...ports.map((port) => onHost(port, automatic.get(port.port))), ...explicit].map((port) => {
      const scheme = schemes.get(port.port);
      if (!scheme || port.hostAddress === undefined || port.problem !== undefined) return port;
      const host = areNamesResolved && !port.isExplicit ? hostNameOf(name) : port.hostAddress;
      return { ...port, url: `${scheme}://${host}:${port.hostPort}` };
    }),
  };
}

/** A port of a suspended guest. */
function savedPort({ guestPort }: ForwardedPort, vmName: string): VmPort {
  return { proto: 'tcp', port: guestPort, addresses: [], endpoint: `${hostNameOf(vmName)}:${guestPort}` };
}

function onHost(port: VmPort, forwarded: ForwardedPort | undefined): VmPort {
  if (!forwarded || port.proto !== 'tcp') return port;
  const { address, hostPort, isExplicit, problem } = forwarded;
  const place = { hostAddress: address, hostPort, ...(isExplicit ? { isExplicit } : {}) };
  return { ...port, ...place, ...(problem === undefined ? {} : { problem }) };
}

/**
 * One entry for each protocol and number; when different processes listen on several addresses, the entry
 * names the first.
 */
export function mergedPorts(ports: readonly GuestPort[], vmName: string): VmPort[] {
  const merged = new Map<string, Omit<VmPort, 'addresses'> & { addresses: Set<string> }>();
  for (const { proto, port, address, pid, process } of ports) {
    const known = merged.get(`${proto} ${port}`);
    if (known) {
      known.addresses.add(address);
      continue;
    }
    merged.set(`${proto} ${port}`, {
      proto,
      port,
      addresses: new Set([address]),
      endpoint: `${hostNameOf(vmName)}:${port}`,
      ...(pid === undefined ? {} : { pid }),
      ...(process === undefined ? {} : { process }),
    });
  }
  return [...merged.values()]
    .map((each) => ({ ...each, addresses: [...each.addresses] }))
    .sort((a, b) => a.port - b.port || a.proto.localeCompare(b.proto));
}

async function probe(
  agent: GuestAgent,
  ports: readonly VmPort[],
  { signal }: Abortable,
): Promise<Map<number, WebScheme>> {
  const found = new Map<number, WebScheme>();
  const asked = ports.filter(({ proto }) => proto === 'tcp').slice(0, MAX_PROBED);
  const askAll = async (inner: AbortSignal): Promise<void> => {
    await Promise.all(
      asked.map(async ({ port }) => {
        const scheme = await speaksWeb(agent, port, { signal: inner });
        if (scheme) found.set(port, scheme);
      }),
    );
  };
  const what = "the guest's ports to answer";
  await withDeadline(askAll, { signal, deadlineMs: PROBE_DEADLINE_MS, what }).catch(() =>
    signal.throwIfAborted(),
  );
  return found;
}
