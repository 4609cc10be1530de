import type { Abortable } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import { NAT_NETWORK } from '../../../../core/rules/nat-network.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';

/*
 * The guest's interface is connected to a hub inside QEMU. With NAT, QEMU's user network is connected to that
 * hub too; without NAT, the guest's packets go nowhere. NAT can be switched while the VM runs, and is not
 * part of a snapshot.
 *
 *     virtio-net  --  hub 0  --  user network (-netdev user), with NAT only
 *                       |
 *                      sink: takes packets and drops them
 *
 * Without the sink, the hub would hold on to a packet that nobody takes, and the guest's interface would hang
 * for ever, even if NAT came later. At each start, QEMU warns in its log about the sink and about the hub
 * without an outside connection.
 */

/** The hub, and the ids of its ports. */
export const HUB = { number: 0, nic: 'nic', sink: 'sink', nat: 'nat-port' } as const;

const USER_NETWORK = 'nat';

/**
 * Each guest is alone on its network, so all have the same address; a restored guest keeps its template's.
 */
export const GUEST_MAC = '52:54:00:12:34:56';

/** The `-netdev` options that connect the hub to the outside. */
export function natOptions(): string[] {
  return natBackends().map(({ type, ...options }) =>
    [
      type,
      ...Object.entries(options).map(([name, value]) => {
        const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
        return `${name}=${text}`;
      }),
    ].join(','),
  );
}

/** What connects the hub to the outside, in order of creation: arguments of `netdev_add`. */
function natBackends(): ({ type: string } & Readonly<Record<string, string | number | boolean>>)[] {
  const { ipv4, ipv6 } = NAT_NETWORK;
  return [
    {
      type: 'user',
      id: USER_NETWORK,
      ipv4: true,
      net: ipv4.subnet,
      host: ipv4.gateway,
      dns: ipv4.nameserver,
      ipv6: true,
      'ipv6-prefix': ipv6.prefix,
      'ipv6-prefixlen': ipv6.prefixBits,
      'ipv6-host': ipv6.gateway,
      'ipv6-dns': ipv6.nameserver,
      restrict: false,
    },
    { type: 'hubport', id: HUB.nat, hubid: HUB.number, netdev: USER_NETWORK },
  ];
}

/**
 * Connects the guest's interface to the outside, or disconnects it. Idempotent, but ends open connections.
 *
 * @throws {AppError} as {@link QmpClient.execute}; the guest is then disconnected, if QEMU still answers.
 */
export async function connectNat(qmp: QmpClient, hasNat: boolean, { signal }: Abortable): Promise<void> {
  // Starts from a clean state, whatever an earlier failed call has left.
  await disconnectNat(qmp, { signal });
  if (!hasNat) return;
  for (const backend of natBackends()) await qmp.execute('netdev_add', backend, { signal });
}

async function disconnectNat(qmp: QmpClient, { signal }: Abortable): Promise<void> {
  for (const id of [HUB.nat, USER_NETWORK]) {
    try {
      await qmp.execute('netdev_del', { id }, { signal });
    } catch (error) {
      if (!isAppError(error, 'VMM_REFUSED') || error.details?.['class'] !== 'DeviceNotFound') throw error;
    }
  }
}
