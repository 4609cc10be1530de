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

/** True for an IPv4 address of 127.0.0.0/8. `node:net`, which knows too, takes 2 ms of each start to load. */
export function isLoopback(address: string): boolean {
  return /^127(?:\.(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])){3}$/.test(address);
}
