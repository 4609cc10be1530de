import type { VmRecord } from '../../ports/records.ts';
import type { NetworkSpec } from '../../ports/vmm/network.ts';

/**
 * The network that a VM's record asks for. With a network, its guest reaches the ports of the host that are
 * exposed to it, and the proxies that it was given, also at the gateway's address. Pure.
 */
export function networkOf({
  network: { mode, policy, secrets, authority },
  forwards = [],
  proxyPorts = [],
}: Pick<VmRecord, 'network' | 'forwards' | 'proxyPorts'>): NetworkSpec {
  if (mode === 'none') return { mode };
  const exposed = forwards.filter((one) => one.isReverse).map(({ hostPort }) => hostPort);
  const exposedPorts = [...new Set([...exposed, ...proxyPorts])].sort((one, other) => one - other);
  const list = secrets ?? [];
  return {
    mode,
    exposedPorts,
    ...(policy ? { policy: { mode: 'enforce', rules: policy.rules } } : {}),
    ...(list.length > 0 && authority !== undefined ? { secrets: { authority, list } } : {}),
  };
}
