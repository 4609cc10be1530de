import type { Duplex } from 'node:stream';
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

/** The client's end of input becomes the port's; the port's end of output ends the connection. */
function join(socket: Duplex, stream: Duplex): void {
  stream.once('close', () => {
    if (!stream.readableEnded) socket.destroy();
  });
  socket.once('finish', () => socket.destroy());
  socket.once('close', () => stream.destroy());
  socket.pipe(stream);
  stream.pipe(socket);
}
