import type { Abortable } from '../../../base/abort.ts';
import type { VmNetworkState } from '../../../protocol/usage.ts';
import type { VmSecret } from '../../../protocol/vm.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { NetworkSpec, NetworkState } from '../../ports/vmm/network.ts';
import { findVm } from '../find-vm.ts';
import type { Vms } from '../world.ts';
import { networkOf } from './network-of.ts';

/**
 * The network of a VM as it is on record, and as its process reports it.
 *
 * @throws {AppError} VM_NOT_FOUND, NETWORK_LOST.
 */
export async function vmNetworkState(
  { records, live }: Pick<Vms, 'records' | 'live'>,
  ref: string,
  { signal }: Abortable,
): Promise<VmNetworkState> {
  const record = findVm(records, ref);
  const { id, name } = record;
  const wanted = networkOf(record);
  const state = await live.get(id)?.networkState({ signal });
  return {
    vm: { id, name },
    mode: wanted.mode,
    ...(record.network.policy ? { policy: record.network.policy } : {}),
    ...(record.network.secrets ? { secrets: secretsOf(record.network.secrets, state) } : {}),
    exposedPorts: exposedPortsOf(record, wanted),
    ...(state ? { process: processOf(state) } : {}),
  };
}

/** Without a network, a guest reaches exposed ports at its own loopback only. */
function exposedPortsOf({ forwards = [] }: VmRecord, wanted: NetworkSpec): number[] {
  if (wanted.mode !== 'none') return [...wanted.exposedPorts];
  const ports = forwards.filter(({ isReverse }) => isReverse).map(({ hostPort }) => hostPort);
  return [...new Set(ports)].sort((one, other) => one - other);
}

function secretsOf(
  secrets: readonly VmSecret[],
  state: NetworkState | undefined,
): NonNullable<VmNetworkState['secrets']> {
  return secrets.map(({ name, source, host, port, placeholder }) => ({
    ...{ name, source, host, port },
    ...(state ? { isKnown: state.knownSecrets?.includes(placeholder) ?? false } : {}),
  }));
}

function processOf({
  pid,
  isConnected,
  counters,
  policy,
}: NetworkState): NonNullable<VmNetworkState['process']> {
  const shown = { pid, isConnected, counters: { ...counters } };
  if (!policy) return shown;
  const { mode, refused, unlogged } = policy;
  const rules = policy.rules.map(({ rule, allowed }) => ({ rule, allowed }));
  return { ...shown, policy: { mode, rules, refused, ...(unlogged === undefined ? {} : { unlogged }) } };
}
