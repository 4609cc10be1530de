import { neverAborts } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmForward } from '../../../protocol/vm.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findVm } from '../find-vm.ts';
import type { Vms } from '../world.ts';
import { networkOf } from './network-of.ts';

/** Most explicit ports of one VM. */
const MAX_FORWARDS = 256;

/**
 * Forwards a port of this host's 127.0.0.1, and the same port of the VM's address, to a port of the guest,
 * from now on and for every start of the VM. Replaces a forward of that port of the host. With `isRemoved`,
 * ends the forward of that port; idempotent. A reverse forward leads from the guest's 127.0.0.1 to this
 * host's; a guest with a network also reaches that port of the host at its gateway.
 *
 * @throws {AppError} VM_NOT_FOUND; VM_BUSY; PORT_UNAVAILABLE when another VM has the port, or this one too
 * many; NETWORK_FAILED when the VM's network does not take the change: it is on record then.
 */
export async function setForward(
  world: Pick<Vms, 'records' | 'locks' | 'live'>,
  ref: string,
  { forward, isRemoved = false, report, signal }: Task & { forward: VmForward; isRemoved?: boolean },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async () => {
      const record = findVm(world.records, id);
      const others = (record.forwards ?? []).filter((one) => !isSamePlace(one, forward));
      if (!isRemoved && !forward.isReverse) requireFree(world, record, { forward, count: others.length });
      const forwards = isRemoved ? others : [...others, forward];
      const changed = world.records.update({ ...record, forwards });
      const running = changed.state === 'running' ? world.live.get(id) : undefined;
      if (forward.isReverse) await running?.setNetwork(networkOf(changed), { signal: neverAborts() });
      return changed;
    },
    { action: 'change', report, signal },
  );
}

/**
 * Lets the guest reach ports of this host's 127.0.0.1 at the same ports of its own, and others no more; at
 * once when it runs. Open connections stay. What is so already, or not exposed, changes nothing.
 *
 * @throws {AppError} as {@link setForward}.
 */
export async function setExposedPorts(
  world: Pick<Vms, 'records' | 'locks' | 'live'>,
  ref: string,
  { add = [], remove = [], report, signal }: Task & { add?: readonly number[]; remove?: readonly number[] },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  const change = async (): Promise<VmRecord> => {
    const record = findVm(world.records, id);
    const { name, forwards: former = [] } = record;
    const added = [...new Set(add)].map((port) => ({ hostPort: port, guestPort: port, isReverse: true }));
    const kept = former.filter(
      (one) =>
        !(one.isReverse && remove.includes(one.hostPort)) && !added.some((each) => isSamePlace(one, each)),
    );
    const forwards = [...kept, ...added];
    if (forwards.length > Math.max(MAX_FORWARDS, former.length)) {
      const what = `Cannot expose ports of this host to vm "${name}"`;
      throw new AppError('PORT_UNAVAILABLE', `${what}: it may have ${MAX_FORWARDS} ports in all`);
    }
    const changed = world.records.update({ ...record, forwards });
    const running = changed.state === 'running' ? world.live.get(id) : undefined;
    await running?.setNetwork(networkOf(changed), { signal: neverAborts() });
    return changed;
  };
  return await world.locks.run(id, change, { action: 'change', report, signal });
}

/** Whether two forwards listen at the same place. */
function isSamePlace(one: VmForward, other: VmForward): boolean {
  if (one.isReverse || other.isReverse) {
    return one.isReverse === other.isReverse && one.guestPort === other.guestPort;
  }
  return one.hostPort === other.hostPort;
}

function requireFree(
  { records }: Pick<Vms, 'records'>,
  { id, name }: VmRecord,
  { forward: { hostPort }, count }: { forward: VmForward; count: number },
): void {
  const what = `Cannot forward port ${hostPort} to vm "${name}"`;
  const details = { port: hostPort };
  const holder = records
    .list()
    .find(
      (other) =>
        other.id !== id && other.forwards?.some((one) => !one.isReverse && one.hostPort === hostPort),
    );
  if (holder) {
    throw new AppError('PORT_UNAVAILABLE', `${what}: it is forwarded to vm "${holder.name}"`, {
      hint: `use another port, or: banger vm port --remove ${holder.name} ${hostPort}`,
      details,
    });
  }
  if (count < MAX_FORWARDS) return;
  throw new AppError('PORT_UNAVAILABLE', `${what}: ${MAX_FORWARDS} ports are forwarded to it`, { details });
}
