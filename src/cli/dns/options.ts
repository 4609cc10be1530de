import { isAbsolute } from 'node:path';
import { AppError } from '../../base/errors.ts';
import { type DnsPlace, defaultDnsPlace, isLoopback } from '../../config/dns-place.ts';
import type { Environment } from '../../config/settings.ts';
import { RESOLVER_KINDS, type ResolverKind } from './resolvers.ts';

/** Options of the commands that change files. */
export const CHANGE_OPTIONS = {
  root: {
    type: 'value',
    value: 'folder',
    kind: 'folder',
    summary: 'work on the files below this folder, such as a mounted image of another host',
    defaultText: () => '/',
  },
  dryRun: { type: 'flag', summary: 'change nothing, and print what would be changed' },
  json: { type: 'flag', summary: 'print the changes as JSON' },
} as const;

/** Reads `--for`. @throws {AppError} USAGE_OPTION_VALUE */
export function parseKind(text: string): ResolverKind {
  const kind = RESOLVER_KINDS.find((each) => each === text);
  if (kind) return kind;
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${text}" for --for: it is not a resolver`, {
    hint: `use one of ${RESOLVER_KINDS.join(', ')}`,
    details: { field: 'for', value: text },
  });
}

/** Reads `--server`, `ADDRESS:PORT` on loopback. @throws {AppError} USAGE_OPTION_VALUE */
export function parseServer(text: string): DnsPlace {
  const [, address = '', digits = ''] = /^([0-9.]+):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (isLoopback(address) && port >= 1 && port <= 65_535) return { address, port };
  throw new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use "${text}" for --server: it is not an address of 127.0.0.0/8 and a port`,
    { hint: 'banger dns status prints it', details: { field: 'server', value: text } },
  );
}

/** The server of the user who runs the command, also with sudo. */
export function usualServer({ SUDO_UID: sudoUid = '' }: Environment): DnsPlace {
  return defaultDnsPlace(/^[0-9]{1,10}$/.test(sudoUid) ? Number(sudoUid) : (process.getuid?.() ?? 0));
}

/** Reads `--root`. @throws {AppError} USAGE_OPTION_VALUE */
export function parseRoot(text: string | undefined): string {
  if (text === undefined) return '/';
  if (isAbsolute(text)) return text;
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${text}" for --root: it is not an absolute path`, {
    details: { field: 'root', value: text },
  });
}
