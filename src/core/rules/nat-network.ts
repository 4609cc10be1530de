import type { GuestNetwork } from '../../protocol/guest.ts';
import type { VmNetwork } from '../../protocol/vm.ts';

/**
 * The network of a guest with NAT, the same for every VM and every driver, because each guest has one of its
 * own. The numbers are those of QEMU's user network (`-netdev user`), which earlier versions used; they are
 * also in `host/internal/net/wire`. Ports of the host's loopback that are exposed to the guest are at the
 * gateway.
 */
export const NAT_NETWORK = {
  ipv4: { subnet: '10.0.2.0/24', guest: '10.0.2.15', gateway: '10.0.2.2', nameserver: '10.0.2.3' },
  ipv6: { prefix: 'fec0::', prefixBits: 64, guest: 'fec0::15', gateway: 'fec0::2', nameserver: 'fec0::3' },
} as const;

/** The network settings sent to the guest. */
export function guestNetwork({ mode }: VmNetwork): GuestNetwork {
  if (mode === 'none') return { addresses: [], gateways: [], nameservers: [] };
  const { ipv4, ipv6 } = NAT_NETWORK;
  return {
    addresses: [`${ipv4.guest}/24`, `${ipv6.guest}/${ipv6.prefixBits}`],
    gateways: [ipv4.gateway, ipv6.gateway],
    // Only this one: it asks the host's nameservers of either family.
    nameservers: [ipv4.nameserver],
  };
}
