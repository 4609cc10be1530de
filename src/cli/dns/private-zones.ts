/**
 * Zones in which nothing can be signed, as systemd-resolved lists them (RFC 6761, 6762, 8375, 8880, and names
 * that are never delegated). A file of such zones replaces that list, so ours repeats it; otherwise
 * `DNSSEC=yes` would break names of home and company networks.
 */
export const PRIVATE_ZONES: readonly string[] = [
  'home.arpa',
  'ipv4only.arpa',
  '10.in-addr.arpa',
  ...Array.from({ length: 16 }, (_, index) => `${16 + index}.172.in-addr.arpa`),
  '168.192.in-addr.arpa',
  '170.0.0.192.in-addr.arpa',
  '171.0.0.192.in-addr.arpa',
  'd.f.ip6.arpa',
  'corp',
  'home',
  'internal',
  'intranet',
  'lan',
  'local',
  'private',
  'test',
];
