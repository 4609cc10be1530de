import type { Duplex } from 'node:stream';
import { closeAfter } from '../../core/vms/network/join-connection.ts';
import { reachGuestPort } from '../../core/vms/network/reach-guest-port.ts';
import { type GuestPortQuery, guestPortQuery } from '../../protocol/api/guest-queries.ts';
import { TCP_UPGRADE } from '../../protocol/api.ts';
import type { UpgradeRoute } from './upgrade-route.ts';

/** A port on the guest's loopback addresses, `?port=N`: bytes both ways. */
export const TCP_UPGRADE_ROUTE: UpgradeRoute<GuestPortQuery> = {
  verb: 'tcp',
  summary: "Connect to a port on the guest's loopback addresses: after the upgrade, bytes both ways",
  query: guestPortQuery,
  protocol: TCP_UPGRADE,
  async open({ world }, { ref, query, signal }) {
    // ssh(1) reads the host keys as soon as the guest's sshd has greeted it.
    await world.knownHosts.settled();
    return await reachGuestPort(world, { ref, port: query.port, signal });
  },
  join,
};

/** The end of each side's output becomes that of the other's input. A side that breaks breaks the other. */
function join(socket: Duplex, stream: Duplex): void {
  stream.once('close', () => {
    const isWhole = stream.readableEnded && !stream.errored;
    if (!isWhole || socket.writableFinished) socket.destroy();
    else socket.once('finish', () => socket.destroy());
  });
  socket.once('close', () => closeAfter(socket, stream));
  socket.pipe(stream);
  stream.pipe(socket);
}
