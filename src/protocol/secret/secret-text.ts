import { AppError } from '../../base/errors.ts';
import { parseHost } from '../egress/rule-host.ts';

/*
 * A secret as users write it: NAME=SOURCE@HOST[:PORT]. NAME is a variable of the guest, SOURCE says where the
 * value is on this host, and only HOST gets it.
 */

/** Where the value of a secret is. */
export const SECRET_SOURCES = ['env', 'file', 'command', 'pass', 'secret-service'] as const;
export type SecretSourceKind = (typeof SECRET_SOURCES)[number];

/** A secret without its value. */
export interface SecretText {
  name: string;
  kind: SecretSourceKind;
  /** what follows the kind: a variable, a path, a command line, an entry, attributes */
  from: string;
  host: string;
  port: number;
}

/** The forms of a secret, for errors and help. */
const SECRET_FORM =
  'NAME=SOURCE@HOST[:PORT], where SOURCE is env:VARIABLE, file:PATH, command:COMMAND, pass:ENTRY or secret-service:KEY=VALUE';

const MAX_LENGTH = 4_096;
const HTTPS_PORT = 443;
const SHOWN_CHARACTERS = 3;

/** Variables that decide how programs run at all. */
const RESERVED =
  /^(PATH|HOME|USER|LOGNAME|SHELL|TERM|PWD|IFS|ENV|BASH_ENV|LD_.*|(https?|ftp|all|no)_proxy|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE)$/i;

/**
 * Parses a secret.
 *
 * @throws {AppError} SECRET_INVALID, which shows the beginning only: the text may contain the value itself.
 */
export function parseSecret(text: string): SecretText {
  const parsed = read(text);
  if (typeof parsed !== 'string') return parsed;
  throw new AppError('SECRET_INVALID', `Cannot use secret ${JSON.stringify(beginningOf(text))}: ${parsed}`, {
    hint: `a secret is ${SECRET_FORM}`,
    details: { field: 'secret' },
  });
}

/** The name, and too little of the rest to give a value away that was written in place of its source. */
function beginningOf(text: string): string {
  const shown = text.slice(0, Math.min(Math.max(0, text.indexOf('=')) + 1, 100) + SHOWN_CHARACTERS);
  return shown === text ? text : `${shown}...`;
}

/** Prints a secret as {@link parseSecret} reads it. */
export function formatSecret({ name, kind, from, host, port }: SecretText): string {
  return `${name}=${kind}:${from}@${host}${port === HTTPS_PORT ? '' : `:${port}`}`;
}

/** Returns the secret, or why there is none. */
function read(text: string): SecretText | string {
  if (text.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`;
  const [, name, rest = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) return 'it does not begin with NAME=, the variable of the guest';
  if (RESERVED.test(name)) return 'programs in the guest need this variable for something else';
  const at = rest.lastIndexOf('@');
  if (at < 0) return 'it has no @HOST, the only server that gets the value';
  const source = sourceOf(rest.slice(0, at));
  if (typeof source === 'string') return source;
  const place = placeOf(rest.slice(at + 1));
  return typeof place === 'string' ? place : { name, ...source, ...place };
}

function sourceOf(text: string): Pick<SecretText, 'kind' | 'from'> | string {
  const colon = text.indexOf(':');
  const kind = SECRET_SOURCES.find((one) => one === text.slice(0, Math.max(0, colon)));
  if (!kind) return `its source is none of ${SECRET_SOURCES.map((one) => `${one}:`).join(' ')}`;
  const from = text.slice(colon + 1);
  if (from.trim() === '' || /[\0\r\n]/.test(from)) return `nothing that can be read follows "${kind}:"`;
  if (kind === 'env' && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(from)) return '"env:" needs the name of a variable';
  if (kind === 'pass' && from.startsWith('-')) return '"pass:" needs the name of an entry';
  if (kind === 'secret-service' && !isAttributes(from)) {
    return '"secret-service:" needs attributes, such as service=github,user=me';
  }
  return { kind, from };
}

function isAttributes(text: string): boolean {
  return text.split(',').every((one) => /^[A-Za-z0-9_:.][^=]*=./.test(one));
}

function placeOf(text: string): Pick<SecretText, 'host' | 'port'> | string {
  const [, hostText = '', portText] = /^([^:]*)(?::([1-9][0-9]{0,4}))?$/.exec(text) ?? [];
  if (hostText === '') return 'its host is not HOST or HOST:PORT';
  const port = portText === undefined ? HTTPS_PORT : Number(portText);
  if (port > 65_535) return 'its port is not from 1 to 65535';
  const parsed = parseHost(hostText);
  if (typeof parsed === 'string') return parsed;
  if (parsed.isWildcard) return 'its host must be one name, without "*"';
  return { host: parsed.host, port };
}
