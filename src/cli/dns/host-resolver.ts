import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { isLoopback } from '../../config/dns-place.ts';
import { runningPrograms } from './program-names.ts';
import { RESOLVER_KINDS, type ResolverKind } from './resolvers.ts';
import { filesIn, readSmall } from './small-files.ts';

/** How this host turns names into addresses. */
export interface HostResolver {
  /** servers of /etc/resolv.conf, which programs ask */
  nameservers: readonly string[];
  /** where /etc/resolv.conf leads; absent when there is none */
  resolvConf?: string;
  /** what is on this host, by resolver */
  found: Readonly<Record<ResolverKind, ResolverState>>;
  /** the resolver that programs ask; absent: they ask servers of the network */
  asked?: ResolverKind;
}

/** `running`: it runs on this host; `installed`: it could. */
export type ResolverState = 'running' | 'installed' | 'absent';

/** Addresses at which systemd-resolved answers (systemd-resolved.service(8)). */
export const RESOLVED_STUBS: readonly string[] = ['127.0.0.53', '127.0.0.54'];

/** What a program leaves on a host. */
interface Traces {
  /** its files; one of them is there while it is installed */
  program: readonly string[];
  /** its files while it runs; some stay when it ends */
  running: readonly string[];
  /** the name of its process, of which the kernel keeps 15 bytes */
  process: string;
}

const TRACES: Readonly<Record<ResolverKind, Traces>> = {
  'systemd-resolved': {
    program: ['usr/lib/systemd/systemd-resolved', 'lib/systemd/systemd-resolved'],
    running: ['run/systemd/resolve/resolv.conf'],
    process: 'systemd-resolve',
  },
  networkmanager: {
    program: ['usr/sbin/NetworkManager', 'usr/bin/NetworkManager'],
    running: ['run/NetworkManager'],
    process: 'NetworkManager',
  },
  dnsmasq: {
    program: ['usr/sbin/dnsmasq', 'usr/bin/dnsmasq'],
    running: ['run/dnsmasq/dnsmasq.pid', 'run/dnsmasq.pid'],
    process: 'dnsmasq',
  },
  unbound: {
    program: ['usr/sbin/unbound', 'usr/bin/unbound'],
    running: ['run/unbound.pid', 'run/unbound/unbound.pid'],
    process: 'unbound',
  },
};

/**
 * Looks at the files below `root`; starts and asks nothing. `processes` are the names of those that run
 * there, where they are known; by default those of this host, when `root` is its own.
 */
export function readHostResolver(
  root: string,
  { processes = root === '/' ? runningPrograms() : undefined }: { processes?: ReadonlySet<string> } = {},
): HostResolver {
  const path = join(root, 'etc/resolv.conf');
  const text = readSmall(path);
  const nameservers = [...(text ?? '').matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(
    ([, server = '']) => server,
  );
  const found = Object.fromEntries(
    RESOLVER_KINDS.map((kind) => [kind, stateOf(kind, { root, processes })]),
  ) as HostResolver['found'];
  const asked = askedOf({ nameservers, found, root });
  return {
    nameservers,
    ...(text === undefined ? {} : { resolvConf: realpathSync(path) }),
    found,
    ...(asked === undefined ? {} : { asked }),
  };
}

function askedOf({
  nameservers,
  found,
  root,
}: Pick<HostResolver, 'nameservers' | 'found'> & { root: string }): ResolverKind | undefined {
  const hosts = /^hosts:(.*)$/m.exec(readSmall(join(root, 'etc/nsswitch.conf')) ?? '')?.[1] ?? '';
  const isAskedByLibrary = found['systemd-resolved'] === 'running' && /\sresolve(\s|$)/.test(hosts);
  // A program only asks the next server when one does not answer.
  const [first] = nameservers;
  if (isAskedByLibrary || (first !== undefined && RESOLVED_STUBS.includes(first))) return 'systemd-resolved';
  if (first === undefined || !(isLoopback(first) || first === '::1')) return undefined;
  return (['networkmanager', 'dnsmasq', 'unbound'] as const).find((kind) => found[kind] === 'running');
}

function stateOf(
  kind: ResolverKind,
  { root, processes }: { root: string; processes: ReadonlySet<string> | undefined },
): ResolverState {
  const { program, running, process } = TRACES[kind];
  // Without its DNS plugin, NetworkManager resolves nothing itself.
  const canResolve = kind !== 'networkmanager' || hasDnsmasqPlugin(root);
  // A process alone may be in a container, or serve something else, as dnsmasq does for virtual networks.
  const hasProcess = processes?.has(process) ?? true;
  if (canResolve && hasProcess && running.some((path) => existsSync(join(root, path)))) return 'running';
  return canResolve && program.some((path) => existsSync(join(root, path))) ? 'installed' : 'absent';
}

function hasDnsmasqPlugin(root: string): boolean {
  const folder = join(root, 'etc/NetworkManager');
  const files = [join(folder, 'NetworkManager.conf'), ...filesIn(join(folder, 'conf.d'))];
  return files.some((path) => /^[ \t]*dns[ \t]*=[ \t]*dnsmasq[ \t]*$/m.test(readSmall(path) ?? ''));
}
