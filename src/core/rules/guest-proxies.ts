import type { ProxyVariables } from '../../protocol/proxy-variables.ts';
import { NAT_NETWORK } from './nat-network.ts';

/** The proxies as the guest needs them. */
export interface GuestProxies {
  /** variables with both spellings of their names, sorted */
  environment: Readonly<Record<string, string>>;
  /** a proxy has a user name or a password in it */
  isSecret: boolean;
  /** ports of the host's loopback at which some of them listen, ascending */
  ports: readonly number[];
  /** for the user: which were left out, and why */
  notices: readonly string[];
}

/** What the guest reaches without a proxy, whatever the host says: itself. */
const GUEST_ITSELF = ['localhost', '127.0.0.1', '::1'];

/** The host's loopback addresses that the guest reaches, as it sees them. */
const HOST_LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['localhost', NAT_NETWORK.ipv4.gateway],
  ['127.0.0.1', NAT_NETWORK.ipv4.gateway],
  ['[::1]', `[${NAT_NETWORK.ipv6.gateway}]`],
]);

/** `[scheme://][user[:password]@]host[:port][/...]`; the last `@` before a slash ends the user. */
const PROXY = /^([a-z][a-z0-9+.-]*:\/\/)?([^/]*@)?(\[[^\]]*\]|[^:/]*)((?::\d+)?(?:\/.*)?)$/i;

/** What a line of environment(5) holds without quotes. */
const PLAIN = /^[!%*+,./0-9:=?@A-Z[\]^_a-z{}~-]+$/;

/**
 * Converts the user's proxies to those of a guest with NAT: a proxy on the host's loopback gets the address
 * at which the guest reaches it. The guest itself never needs a proxy. Pure.
 */
export function guestProxies({ no = '', ...proxies }: ProxyVariables): GuestProxies {
  const environment = new Map<string, string>();
  const notices: string[] = [];
  const ports = new Set<number>();
  let isSecret = false;
  const set = (name: string, value: string): void => {
    environment.set(`${name}_proxy`, value).set(`${name.toUpperCase()}_PROXY`, value);
  };
  for (const [name, value] of Object.entries(proxies)) {
    const [, scheme = '', user = '', host = '', rest = ''] = PROXY.exec(value) ?? [];
    const guestHost = HOST_LOOPBACK.get(host.toLowerCase()) ?? host;
    const problem = problemOf(value, guestHost);
    if (problem) {
      notices.push(`the guest does not get ${name}_proxy: ${problem}`);
      continue;
    }
    isSecret ||= user !== '';
    if (guestHost !== host) ports.add(portOf(scheme, rest));
    set(name, `${scheme}${user}${guestHost}${rest}`);
  }
  if (environment.size > 0) {
    const direct = no.split(/[\s,]+/).filter((each) => each !== '');
    if (!direct.every((each) => PLAIN.test(each))) {
      notices.push('the guest does not get all of no_proxy: it has characters that are not of a name');
    }
    const known = direct.filter((each) => PLAIN.test(each));
    set('no', [...new Set([...known, ...GUEST_ITSELF])].join(','));
  }
  return {
    environment: Object.fromEntries([...environment].sort()),
    isSecret,
    ports: [...ports].filter((port) => port >= 1 && port <= 65_535).sort((one, other) => one - other),
    notices,
  };
}

/** The ports of proxies that name none, by the beginnings of their schemes; as curl does, 1080 for others. */
const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([
  ['http://', 80],
  ['https://', 443],
]);

function portOf(scheme: string, rest: string): number {
  const [, port] = /^:(\d+)/.exec(rest) ?? [];
  return port === undefined ? (DEFAULT_PORTS.get(scheme.toLowerCase()) ?? 1080) : Number(port);
}

/** Never has the value in it, which may have a password. */
function problemOf(value: string, guestHost: string): string | undefined {
  if (guestHost === '') return 'it is not a proxy';
  if (/^127\./.test(guestHost)) return 'a guest reaches only 127.0.0.1 of the addresses of the host alone';
  if (!PLAIN.test(value)) return 'it has a character that must be percent-encoded';
  return undefined;
}
