import { type Abortable, withDeadline } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import { findWebPort } from '../../core/vms/guest/find-web-port.ts';
import { mergedPorts } from '../../core/vms/guest/list-guest-ports.ts';
import { withAgent } from '../../core/vms/guest/with-agent.ts';
import { reachGuestPort } from '../../core/vms/network/reach-guest-port.ts';
import { wakeVm } from '../../core/vms/network/wake-vm.ts';
import { CONNECTION_WAIT_MS } from '../../core/vms/recovery/take-over.ts';
import type { App } from '../app.ts';
import { gatewayUrl } from './gateway-name.ts';
import type { GatewayGuests, GatewayVm } from './guests.ts';
import type { ListedVm } from './pages.ts';

/** `ms` that a guest has to list its ports for a page. */
const LIST_MS = 1_500;

/** Most VMs and ports on a page. */
const MAX_VMS = 200;
const MAX_PORTS = 64;

/**
 * `ms` after which the first web server of a VM is looked for again, because another one may have been
 * started on a lower port. Each search shows in the logs of the guest's servers, so it must be rare.
 */
const WEB_PORT_MS = 60_000;

/** The VMs of the daemon, for its gateway. */
export function vmGuests({ world, use, takeOver }: Pick<App, 'world' | 'use' | 'takeOver'>): GatewayGuests {
  const webPorts = new Map<string, { port: number; startedAt: string | undefined; foundAt: number }>();
  const { records } = world;
  const asListed = async (
    record: VmRecord,
    options: Abortable & { gatewayPort: number },
  ): Promise<ListedVm> => {
    const { name, state } = record;
    if (state !== 'running') {
      return { name, state, ports: [], ...(state === 'suspended' ? { url: gatewayUrl(name, options) } : {}) };
    }
    const found = await portsOf(world, record, options);
    const ports = found.slice(0, MAX_PORTS).map(({ port, process }) => ({
      port,
      ...(process === undefined ? {} : { process }),
      url: gatewayUrl(name, { ...options, port }),
    }));
    return { name, state, url: gatewayUrl(name, options), ports };
  };
  return {
    find: (name) => records.list().find((record) => record.name === name),
    list: (options) =>
      Promise.all(
        records
          .list()
          .sort((a, b) => a.name.localeCompare(b.name))
          .slice(0, MAX_VMS)
          .map((record) => asListed(record, options)),
      ),
    async wake({ id, name }, { signal }) {
      await takeOver.wait({ id, name }, { signal, deadlineMs: CONNECTION_WAIT_MS });
      await wakeVm(world, id, { signal });
    },
    async webPort({ id }, { signal }) {
      const startedAt = records.get(id)?.runtime?.startedAt;
      const known = webPorts.get(id);
      if (known?.startedAt === startedAt && known && performance.now() - known.foundAt < WEB_PORT_MS) {
        return known.port;
      }
      const port = await withAgent(world, id, { signal, work: findWebPort });
      if (port === undefined) webPorts.delete(id);
      else webPorts.set(id, { port, startedAt, foundAt: performance.now() });
      return port;
    },
    forgetWebPort: ({ id }) => void webPorts.delete(id),
    open: ({ id }, port, { signal }) => reachGuestPort(world, { ref: id, port, signal }),
    use: ({ id }: GatewayVm) => use.begin(id),
  };
}

/** The TCP ports of a guest; empty when it does not answer soon. */
async function portsOf(
  world: App['world'],
  { id, name }: VmRecord,
  { signal }: Abortable,
): Promise<{ port: number; process?: string }[]> {
  try {
    const found = await withDeadline(
      (inner) => withAgent(world, id, { signal: inner, work: (agent, options) => agent.ports(options) }),
      { signal, deadlineMs: LIST_MS, what: `the ports of vm "${name}"` },
    );
    return mergedPorts(found, name).filter(({ proto }) => proto === 'tcp');
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return [];
  }
}
