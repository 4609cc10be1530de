import fc from 'fast-check';
import { parseEgressRule } from '../../../src/protocol/egress/egress-rule.ts';
import { formatIpAddress } from '../../../src/protocol/egress/ip-address.ts';

// Few names and addresses, so that rules often meet, among them all ranges that have rules of their own.
const NAMES = ['a.test', 'b.a.test', 'c.b.a.test', 'aa.test', 'x.test'];
const ADDRESSES = [
  ...['10.1.2.3', '10.1.0.0/16', '10.0.0.0/8', '0.0.0.0/0', '128.0.0.0/1', '203.0.113.7', '203.0.113.0/24'],
  ...['169.254.0.0/16', '169.254.169.254', '169.254.169.0/24', '168.63.129.16', '168.63.129.0/24'],
  ...['100.100.100.200', '100.64.0.0/10', '192.0.0.192', '192.0.0.0/24'],
];
const ADDRESSES_6 = [
  ...[
    '::/0',
    '8000::/1',
    '2001:db8::1',
    '2001:db8::/32',
    'fe80::/10',
    'fe80::1',
    'fd00:ec2::254',
    'fc00::/7',
  ],
  ...['64:ff9b::/96', '64:ff9b::a9fe:a9fe', '64:ff9b::a9fe:0/112', '64:ff9b:1::a9fe:a9fe', 'fd20:ce::/32'],
  ...['2002:a9fe:a9fe::1', '2002::/16', '2001:0:1:2:3:4:5601:5601', '2001::/32'],
];

const ports = fc.constantFrom('', ':80', ':443', ':1-80', ':79-443');
const kind = fc.constantFrom('', 'udp/');
const name = fc
  .tuple(fc.constantFrom('', '*.'), fc.constantFrom(...NAMES))
  .map(([star, host]) => star + host);

/** Rules of an egress policy that often have something in common, and no presets. */
export const arbitraryRule: fc.Arbitrary<string> = fc
  .tuple(kind, fc.oneof(name, fc.constantFrom(...ADDRESSES), fc.constantFrom(...ADDRESSES_6)), ports)
  .map(([before, target, after]) => {
    const isBracketed = target.includes(':') && after !== '';
    return `${before}${isBracketed ? `[${target}]` : target}${after}`;
  });

const single = [...ADDRESSES, ...ADDRESSES_6].filter((text) => !text.includes('/'));
const more = ['169.254.1.1', 'fd20:ce::7', 'fe80::2', '168.63.129.16', '8.8.8.8', '192.168.1.1', 'fec0::9'];

/** One port of one host, as `vm network check` takes it. */
export const TARGETS: readonly string[] = ['', 'udp/'].flatMap((before) =>
  [...NAMES, 'd.c.b.a.test', ...single, ...more].flatMap((host) =>
    [80, 443, 8080].map((port) => `${before}${host.includes(':') ? `[${host}]` : host}:${port}`),
  ),
);

/**
 * A port that a rule is for, of a name or an address that it is for, as {@link TARGETS}; none for some
 * networks.
 */
export function targetsOf(rule: string): string[] {
  const { protocol, target, ports } = parseEgressRule(rule);
  const before = protocol === 'udp' ? 'udp/' : '';
  if ('host' in target) {
    return [`${before}${target.isWildcard ? 'd.' : ''}${target.host}:${ports.first}`];
  }
  const { width, value, bits } = target;
  // The first address of a network of IPv6 may lead to 0.0.0.0, which no rule has.
  if (value === 0n || (width === 128 && bits < width)) return [];
  const address = formatIpAddress({ width, value });
  return [`${before}${width === 128 ? `[${address}]` : address}:${ports.first}`];
}
