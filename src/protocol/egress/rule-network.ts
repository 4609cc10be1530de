import { formatIpAddress, type IpNetwork, isInside, masked, parseIpAddress } from './ip-address.ts';

/** Ranges that no rule can allow: the host's own loopback, groups of hosts, and addresses of no host. */
const UNREACHABLE = [...['127.0.0.0/8', '0.0.0.0/8', '224.0.0.0/3', '::1/128', '::/128', 'ff00::/8']].map(
  known,
);

/**
 * Ranges of which a rule allows only what it names: those of one link, and those at which clouds serve a
 * host's credentials (`host/internal/net/policy/rule/address.go`).
 */
const NEAR_HOST = [
  ...['169.254.0.0/16', 'fe80::/10', 'fd00:ec2::/32', 'fd20:ce::/32'],
  ...['100.100.100.200', '168.63.129.16', '192.0.0.192'],
].map(known);

/** Its addresses have the IPv4 address in their last bits, inverted. */
const TEREDO = known('2001::/32');

/** IPv6 networks whose addresses lead to the IPv4 address that begins at a bit. */
const CARRIERS = [
  ...(['::/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48'] as const).map(
    (text) => [known(text), 96] as const,
  ),
  [known('2002::/16'), 16] as const,
];

/** Parses an address or a CIDR; returns why it cannot be used, and `undefined` when the text is a name. */
export function parseNetwork(text: string): IpNetwork | string | undefined {
  const network = read(text);
  if (!network) return /[:/]/.test(text) ? `${JSON.stringify(text)} is not an address or a CIDR` : undefined;
  const { width, value, bits } = network;
  if (width === 128 && value >> 32n === 0xffffn && bits >= 96) return 'write an IPv4 address without ::ffff:';
  const first = masked(network, bits);
  if (first !== value) {
    const right = `${formatIpAddress({ width, value: first })}/${bits}`;
    return `its address has bits after the prefix, the CIDR is ${right}`;
  }
  if (UNREACHABLE.some((range) => isInside(network, range))) {
    return 'loopback, multicast and unspecified addresses cannot be allowed';
  }
  const carried = bits === 128 ? carriedIn(network) : undefined;
  if (carried && UNREACHABLE.some((range) => isInside(carried, range))) {
    return 'its address leads to a loopback, multicast or unspecified address, which cannot be allowed';
  }
  return network;
}

/** Whether a network is in a range of {@link NEAR_HOST} that another network is not in. */
export function isNearHost(network: IpNetwork, other: IpNetwork): boolean {
  return NEAR_HOST.some((range) => isInside(network, range) && !isInside(other, range));
}

/** Whether a network is one IPv6 address that leads to an IPv4 address, of whatever range. */
export function isNamedAlone(network: IpNetwork): boolean {
  const isCarrier = [...CARRIERS.map(([range]) => range), TEREDO].some((range) => isInside(network, range));
  return network.bits === 128 && isCarrier;
}

function read(text: string): IpNetwork | undefined {
  const [addressText = '', bitsText, ...others] = text.split('/');
  const address = parseIpAddress(addressText);
  if (!address || others.length > 0) return undefined;
  if (bitsText === undefined) return { ...address, bits: address.width };
  const bits = /^(?:0|[1-9][0-9]{0,2})$/.test(bitsText) ? Number(bitsText) : 129;
  return bits <= address.width ? { ...address, bits } : undefined;
}

function carriedIn(network: IpNetwork): IpNetwork | undefined {
  if (isInside(network, TEREDO)) return { width: 32, value: ~network.value & 0xffff_ffffn, bits: 32 };
  const [, bit] = CARRIERS.find(([range]) => isInside(network, range)) ?? [];
  if (bit === undefined) return undefined;
  return { width: 32, value: (network.value >> BigInt(96 - bit)) & 0xffff_ffffn, bits: 32 };
}

function known(text: string): IpNetwork {
  const network = read(text);
  if (!network) throw new TypeError(`"${text}" is not a network`);
  return network;
}
