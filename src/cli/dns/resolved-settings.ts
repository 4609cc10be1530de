import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, isErrno } from '../../base/errors.ts';
import { RESOLVED_STUBS } from './host-resolver.ts';
import { RESOLVED_DROP_IN } from './resolvers.ts';
import { filesIn, readSmall } from './small-files.ts';

/** Why systemd-resolved cannot be set up for one zone beside the servers that it has. */
export interface Hindrance {
  /** the file that says so, and its line */
  path: string;
  line: string;
  /** what would happen */
  reason: string;
  /** what the user can do first */
  remedy: string;
}

/** The folders of its drop-in files; a file hides those of later folders that have the same name. */
const FOLDERS = ['etc', 'run', 'usr/local/lib', 'usr/lib'].map((top) => `${top}/systemd/resolved.conf.d`);

/** Where systemd-networkd, and systemd-resolved for NetworkManager, keep the servers of each connection. */
const LINKS = ['run/systemd/netif/links', 'run/systemd/resolve/netif'];

const TO_CONNECTION =
  'move these servers to the settings of the network connection (resolvectl dns shows those that it has), restart systemd-resolved, and try again';

/**
 * Returns what keeps systemd-resolved from asking a server of ours for one zone and the others for the rest,
 * or undefined. In its own settings it has one list of servers, without a zone for each; only servers of a
 * network connection are apart from these. Reads files below `root`, other than our own.
 */
export function hindranceOf(root: string): Hindrance | undefined {
  const { servers, fallback, tls } = settingsOf(root);
  if (servers) {
    return { ...servers, reason: 'it asks these servers for every name', remedy: TO_CONNECTION };
  }
  if (tls) {
    const remedy = 'set DNSOverTLS=opportunistic there, restart systemd-resolved, and try again';
    return { ...tls, reason: 'it asks every server over TLS', remedy };
  }
  const others = foreignServers(root) ?? fallback;
  if (!others || hasLinkServers(root)) return undefined;
  const reason = 'it would not ask these servers any more, and would find no other names';
  return { ...others, reason, remedy: TO_CONNECTION };
}

/** The error of a host with a {@link Hindrance}. */
export function hindered({ path, line, reason, remedy }: Hindrance): AppError {
  return new AppError(
    'DNS_RESOLVER_SETTINGS',
    `Cannot set up systemd-resolved: "${path}" says "${line}", so ${reason}`,
    { hint: remedy, details: { path, line } },
  );
}

type Line = Pick<Hindrance, 'path' | 'line'>;

function settingsOf(root: string): { servers?: Line; fallback?: Line; tls?: Line } {
  const last = new Map<string, Line>();
  for (const path of configFiles(root)) {
    // It is replaced, or refused when it is not ours.
    if (path === join(root, RESOLVED_DROP_IN)) continue;
    const text = readSmall(path) ?? '';
    for (const [line = '', name = '', value = ''] of text.matchAll(
      /^[ \t]*(DNS|FallbackDNS|DNSOverTLS)[ \t]*=[ \t]*(.*?)[ \t]*$/gm,
    )) {
      // An empty list discards what came before.
      const isSet = name === 'DNSOverTLS' ? /^(yes|true|on|1|y|t)$/i.test(value) : value !== '';
      if (isSet) last.set(name, { path, line: line.trim() });
      else last.delete(name);
    }
  }
  const [servers, fallback, tls] = ['DNS', 'FallbackDNS', 'DNSOverTLS'].map((name) => last.get(name));
  return { ...(servers && { servers }), ...(fallback && { fallback }), ...(tls && { tls }) };
}

/** The servers of an /etc/resolv.conf that systemd-resolved reads because it has not written it. */
function foreignServers(root: string): Line | undefined {
  const path = join(root, 'etc/resolv.conf');
  if (!existsSync(join(root, 'run/systemd/resolve')) || /\/systemd\/resolve\//.test(linkTarget(path))) {
    return undefined;
  }
  const lines = [...(readSmall(path) ?? '').matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)];
  const found = lines.find(([, server = '']) => !RESOLVED_STUBS.includes(server));
  return found && { path, line: found[0].trim() };
}

function hasLinkServers(root: string): boolean {
  return LINKS.some((folder) =>
    namesIn(join(root, folder)).some((name) =>
      /^(DNS|SERVERS)=\S/m.test(readSmall(join(root, folder, name)) ?? ''),
    ),
  );
}

function configFiles(root: string): string[] {
  const byName = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const path of filesIn(join(root, folder))) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (!byName.has(name)) byName.set(name, path);
    }
  }
  const dropIns = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  return [join(root, 'etc/systemd/resolved.conf'), ...dropIns];
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EINVAL', 'EACCES')) return '';
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}
