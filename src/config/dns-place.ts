import { isIPv4 } from 'node:net';

/** Where a DNS server listens. */
export interface DnsPlace {
  address: string;
  port: number;
}

/** Above the ports that only root may use, and in no use by anything common. */
const DNS_PORT = 7_453;

/** Port of the web gateway on 127.0.0.1. */
export const GATEWAY_PORT = 7_480;

/**
 * Where the DNS server of a user listens unless the configuration says otherwise: each user has another
 * address, so that the servers of several users do not clash.
 */
export function defaultDnsPlace(uid: number): DnsPlace {
  return { address: `127.53.${(uid >> 8) & 0xff}.${uid & 0xff}`, port: DNS_PORT };
}

/** True for an IPv4 address of 127.0.0.0/8. */
export function isLoopback(address: string): boolean {
  return isIPv4(address) && address.startsWith('127.');
}
