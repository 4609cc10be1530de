import type { Abortable } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import { NAT_NETWORK } from '../../../../core/rules/nat-network.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';

/*
 * The guest's interface hangs on a hub inside QEMU. With NAT, QEMU's user network hangs there too; without,
 * nothing does, and what the guest sends goes nowhere. Which of the two it is can change while the VM runs,
 * and is no part of a snapshot.
 *
 *     virtio-net  --  hub 0  --  user network (-netdev user), with NAT only
 *                       |
 *                      sink: takes packets and drops them
 *
 * Without a sink the hub would hold a packet that nobody takes, and the guest's interface would stand still
 * for ever, also when NAT comes later. QEMU warns of both, the hub without a way out and the sink, in its log
 * at each start.
 */

/** The hub, and the ids of its ports. */
export const HUB = { number: 0, nic: 'nic', sink: 'sink', nat: 'nat-port' } as const;

const USER_NETWORK = 'nat';

/** Each guest is alone on its wire, so all have the same; a restored one keeps what its template had. */
export const GUEST_MAC = '52:54:00:12:34:56';

/** Options of `-netdev` that connect the hub to the outside. */
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

/** What connects the hub to the outside, in the order in which it is made: arguments of `netdev_add`. */
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
 * Connects the guest's interface to the outside, or cuts it off. Idempotent, but connections that are open
 * end.
 *
 * @throws {AppError} as {@link QmpClient.execute}; the guest is cut off then, if QEMU still listens.
 */
export async function connectNat(qmp: QmpClient, hasNat: boolean, { signal }: Abortable): Promise<void> {
  // From nothing, whatever an earlier call that failed has left.
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
