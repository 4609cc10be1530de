import { join } from 'node:path';
import type { DnsPlace } from '../../config/dns-place.ts';
import { VM_ZONE } from '../../protocol/vm-domain.ts';
import { PRIVATE_ZONES } from './private-zones.ts';

/** The programs that can send the queries of one zone to another server. */
export const RESOLVER_KINDS = ['systemd-resolved', 'networkmanager', 'dnsmasq', 'unbound'] as const;
export type ResolverKind = (typeof RESOLVER_KINDS)[number];

/** A file that makes a resolver ask our server. */
export interface DropIn {
  path: string;
  content: string;
}

/** How one resolver is made to ask the DNS server of banger. */
export interface ResolverSetup {
  kind: ResolverKind;
  dropIns: readonly DropIn[];
  /** makes the resolver read them; run by the user */
  reload: string;
}

/** The first line of every file that we write, after the sign of a comment. */
const MARKER = ' Written by "banger dns install"; "banger dns uninstall" removes it.';

/** Our file for systemd-resolved; below the root of the host. */
export const RESOLVED_DROP_IN = 'etc/systemd/resolved.conf.d/banger-vm.conf';

/** True for the content of a file that `dns install` has written. */
export function isOwnFile(content: string): boolean {
  return ['#', ';'].some((comment) => content.startsWith(`${comment}${MARKER}\n`));
}

/** The setup of a resolver of the host whose files are below `root`. */
export function resolverSetup(
  kind: ResolverKind,
  { server, root }: { server: DnsPlace; root: string },
): ResolverSetup {
  const { address, port } = server;
  const file = (path: string, ...lines: string[]): DropIn => ({
    path: join(root, path),
    // The list of unsigned zones has comments of its own.
    content: [`${path.endsWith('.negative') ? ';' : '#'}${MARKER}`, ...lines, ''].join('\n'),
  });
  switch (kind) {
    case 'systemd-resolved':
      return {
        kind,
        dropIns: [
          file(RESOLVED_DROP_IN, '[Resolve]', `DNS=${address}:${port}`, `Domains=~${VM_ZONE}`),
          // The zone exists on this host only, so nothing can have signed it.
          file('etc/dnssec-trust-anchors.d/banger-vm.negative', ...PRIVATE_ZONES, VM_ZONE),
        ],
        reload: 'systemctl restart systemd-resolved',
      };
    case 'networkmanager':
      return {
        kind,
        dropIns: [file('etc/NetworkManager/dnsmasq.d/banger-vm.conf', ...dnsmasqLines(server))],
        reload: 'systemctl reload NetworkManager',
      };
    case 'dnsmasq':
      return {
        kind,
        dropIns: [file('etc/dnsmasq.d/banger-vm.conf', ...dnsmasqLines(server))],
        reload: 'systemctl restart dnsmasq',
      };
    case 'unbound':
      return {
        kind,
        dropIns: [
          file(
            'etc/unbound/unbound.conf.d/banger-vm.conf',
            'server:',
            `    domain-insecure: "${VM_ZONE}"`,
            `    private-domain: "${VM_ZONE}"`,
            '    do-not-query-localhost: no',
            'stub-zone:',
            `    name: "${VM_ZONE}"`,
            `    stub-addr: ${address}@${port}`,
          ),
        ],
        reload: 'systemctl restart unbound',
      };
    default:
      return kind satisfies never;
  }
}

/** Also where dnsmasq otherwise discards answers with loopback addresses. */
function dnsmasqLines({ address, port }: DnsPlace): string[] {
  return [`server=/${VM_ZONE}/${address}#${port}`, `rebind-domain-ok=/${VM_ZONE}/`];
}
