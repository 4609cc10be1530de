import type { Abortable } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import { type HandOverOptions, handOver } from '../qmp/hand-over.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';

/*
 * The guest's interface is connected to a hub inside QEMU. A guest with a network has a stream of frames to
 * its network process on that hub too; without one, the guest's packets go nowhere. The stream can be
 * connected and disconnected while the VM runs, and is not part of a saved guest.
 *
 *     virtio-net  --  hub 0  --  stream to the network process, when there is one
 *                       |
 *                      sink: takes packets and drops them
 *
 * Without the sink, the hub would hold on to a packet that nobody takes, and the guest's interface would hang
 * for ever, even if a network came later. At each start, QEMU warns in its log about the sink and about the
 * hub without an outside connection.
 */

/** The hub, and the ids of its ports. */
export const HUB = { number: 0, nic: 'nic', sink: 'sink', outside: 'nat-port' } as const;

/** The stream; earlier versions had QEMU's own user network under this name. */
const STREAM = 'nat';

/** QEMU's name for the connection until the stream takes it. */
const DESCRIPTOR = 'banger-net';

/**
 * Each guest is alone on its network, so all have the same address; a restored guest keeps its template's.
 * The network process drops frames from any other (`host/internal/net/wire`).
 */
export const GUEST_MAC = '52:54:00:12:34:56';

/**
 * The `-netdev` options for a guest that was saved by an earlier version of banger while it had QEMU's own
 * user network: the state of that is part of the saved guest, so it must exist until the guest is read. Its
 * guest does not run before it is gone.
 */
export const BUILT_IN_NETWORK = [
  `user,id=${STREAM},net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.3,ipv6-prefix=fec0::,ipv6-prefixlen=64,ipv6-host=fec0::2,ipv6-dns=fec0::3,restrict=on`,
  `hubport,id=${HUB.outside},hubid=${HUB.number},netdev=${STREAM}`,
] as const;

/**
 * Connects the guest's interface to the network process that listens on `linkSocket`, in place of what it was
 * connected to. The process passes frames as QEMU's `-netdev stream` and `-netdev socket` do; the latter is
 * in every QEMU.
 *
 * @throws {AppError} NETWORK_FAILED; as {@link QmpClient.execute}; the guest is then disconnected, if QEMU
 * still answers.
 */
export async function connectNetwork(
  qmp: QmpClient,
  linkSocket: string,
  options: HandOverOptions,
): Promise<void> {
  const { signal } = options;
  // Starts from a clean state, whatever an earlier failed call has left.
  await disconnectNetwork(qmp, { signal });
  await handOver(qmp, { socketPath: linkSocket, name: DESCRIPTOR }, options);
  const port = { type: 'hubport', id: HUB.outside, hubid: HUB.number, netdev: STREAM };
  await qmp.execute('netdev_add', { type: 'socket', id: STREAM, fd: DESCRIPTOR }, { signal });
  await qmp.execute('netdev_add', port, { signal });
}

/** Disconnects the guest's interface from the outside. Idempotent. @throws {AppError} as `execute`. */
export async function disconnectNetwork(qmp: QmpClient, { signal }: Abortable): Promise<void> {
  for (const id of [HUB.outside, STREAM]) {
    try {
      await qmp.execute('netdev_del', { id }, { signal });
    } catch (error) {
      if (!isAppError(error, 'VMM_REFUSED') || error.details?.['class'] !== 'DeviceNotFound') throw error;
    }
  }
}
