import type { DnsPlace } from '../../config/dns-place.ts';
import type { LocalServer, NameServers } from '../../protocol/api/names.ts';
import { renderTable } from '../render/table.ts';
import type { HostResolver } from './host-resolver.ts';
import { PRIVATE_ZONES } from './private-zones.ts';
import { type Hindrance, hindered } from './resolved-settings.ts';
import type { ResolverSetup } from './resolvers.ts';

/** What {@link dnsSummary} shows. */
export interface DnsFacts {
  servers: NameServers;
  resolver: HostResolver;
  setups: readonly ResolverSetup[];
  resolvesNow: boolean;
  /** the server that `dns install` sets up without options */
  usual: DnsPlace;
  /** what keeps the resolver from asking our server */
  hindrance?: Hindrance | undefined;
  /** the line for a shell that sets it up */
  install: string;
}

/** Returns how names of VMs are resolved on this host, and what is missing. */
export function dnsSummary({
  servers,
  resolver,
  setups,
  resolvesNow,
  usual,
  install,
  hindrance,
}: DnsFacts): string {
  const { dns } = servers;
  const present = Object.entries(resolver.found).filter(([, state]) => state !== 'absent');
  const table = renderTable([
    ['dns server', serverText(dns)],
    ['web gateway', serverText(servers.gateway)],
    ['resolv.conf', resolver.nameservers.join(', ') || 'no servers'],
    ['resolver', resolver.asked ?? 'servers of the network'],
    ...(present.length > 0
      ? [['on this host', present.map(([kind, state]) => `${kind} (${state})`).join(', ')]]
      : []),
    ['NAME.vm', resolvesNow ? 'found' : 'not found by programs of this host'],
  ]);
  if (resolvesNow || dns.state !== 'listening') return table;
  const isUsual = dns.address === usual.address && dns.port === usual.port;
  const server = isUsual ? '' : ` --server ${dns.address}:${dns.port}`;
  if (hindrance) {
    const { message, hint } = hindered(hindrance);
    return `${table}\n${message}\n  hint: ${hint}\n`;
  }
  const next = resolver.asked
    ? `To set up ${resolver.asked}: ${install}${server}`
    : `Programs ask servers of the network, which cannot be told about one zone. With a resolver on this host: ${install} --for RESOLVER${server}`;
  return [table, `\n${next}\nOr by hand:\n`, ...setups.map(setupText)].join('');
}

function serverText({ state, address, port, problem }: LocalServer): string {
  if (state === 'off') return 'off (in the config file)';
  return state === 'listening' ? `${address}:${port}` : `not listening: ${problem}`;
}

function setupText({ kind, dropIns, reload }: ResolverSetup): string {
  const files = dropIns.map(({ path, content }) => {
    const lines = content.split('\n').filter((line) => line !== '' && !/^[#;]/.test(line));
    const own = lines.filter((line) => !PRIVATE_ZONES.includes(line));
    const left = lines.length - own.length;
    const more = left > 0 ? `      ... and ${left} private zones: banger dns status --json\n` : '';
    return `  ${path}\n${own.map((line) => `      ${line}\n`).join('')}${more}`;
  });
  return `\n${kind}; then ${reload}\n${files.join('')}`;
}
