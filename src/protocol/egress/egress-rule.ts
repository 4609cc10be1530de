import { AppError } from '../../base/errors.ts';
import { formatIpAddress, type IpNetwork } from './ip-address.ts';
import { parseHost } from './rule-host.ts';
import { parseNetwork } from './rule-network.ts';

/*
 * Rules of an egress policy. The process that is a guest's network enforces them and reads them in the same
 * way (`host/internal/net/policy/rule`); here they are checked before anything exists.
 *
 *     HOST[:PORTS]        one name; *.HOST for all names below it
 *     ADDRESS[:PORTS]     one address, or a CIDR; IPv6 with ports in brackets: [2001:db8::/32]:443
 *     tcp/RULE, udp/RULE  the protocol; TCP when there is none
 */

/** What a rule lets a guest reach: a name, or the addresses of a network. */
export interface EgressRule {
  protocol: 'tcp' | 'udp';
  target: { host: string; isWildcard: boolean } | IpNetwork;
  /** both ends included; all ports are 1 to 65535 */
  ports: { first: number; last: number };
}

const MAX_RULE_LENGTH = 300;
const MAX_PORT = 65_535;

/** The forms of a rule, for errors and help. */
export const RULE_FORMS =
  'HOST, *.HOST, an address or a CIDR, each with an optional :PORT or :FIRST-LAST, and with tcp/ or udp/ before it';

/**
 * Parses a rule that is no preset.
 *
 * @throws {AppError} NETWORK_RULE_INVALID
 */
export function parseEgressRule(text: string): EgressRule {
  const parsed = read(text);
  if (typeof parsed !== 'string') return parsed;
  throw ruleInvalid(text, parsed);
}

/** The error of a rule that cannot be used. */
export function ruleInvalid(text: string, reason: string): AppError {
  const shown = text.length > MAX_RULE_LENGTH ? `${text.slice(0, MAX_RULE_LENGTH)}...` : text;
  return new AppError('NETWORK_RULE_INVALID', `Cannot use rule ${JSON.stringify(shown)}: ${reason}`, {
    hint: `a rule is ${RULE_FORMS}, or a preset such as @npm`,
    details: { rule: shown },
  });
}

/** Prints a rule in its shortest form. */
export function formatEgressRule({ protocol, target, ports }: EgressRule): string {
  const portText = formatPorts(ports);
  const prefix = protocol === 'udp' ? 'udp/' : '';
  if ('host' in target) return `${prefix}${target.isWildcard ? '*.' : ''}${target.host}${portText}`;
  const { bits, width } = target;
  const text = `${formatIpAddress(target)}${bits === width ? '' : `/${bits}`}`;
  return `${prefix}${width === 128 && portText !== '' ? `[${text}]` : text}${portText}`;
}

function formatPorts({ first, last }: EgressRule['ports']): string {
  if (first === 1 && last === MAX_PORT) return '';
  return first === last ? `:${first}` : `:${first}-${last}`;
}

/** Returns the rule, or why there is none. */
function read(text: string): EgressRule | string {
  if (text.length > MAX_RULE_LENGTH) return 'it is too long';
  const prefix = /^(tcp|udp)\//.exec(text);
  const rest = prefix ? text.slice(prefix[0].length) : text;
  if (rest.includes('://')) return 'it is a URL, of which a rule has only the host';
  const parts = splitPorts(rest);
  if (typeof parts === 'string') return parts;
  const { target: targetText, ports } = parts;
  if (targetText === '') return 'it has no host';
  const target = parseNetwork(targetText) ?? parseHost(targetText);
  if (typeof target === 'string') return target;
  return { protocol: prefix?.[1] === 'udp' ? 'udp' : 'tcp', target, ports };
}

/** Takes the ports off the end of a target, and the brackets off an IPv6 address. */
function splitPorts(text: string): { target: string; ports: EgressRule['ports'] } | string {
  const all = { first: 1, last: MAX_PORT };
  let target = text;
  let portText: string | undefined;
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    if (end < 0) return 'its "[" is not closed';
    target = text.slice(1, end);
    if (!target.includes(':')) return 'only an IPv6 address is written in brackets';
    const after = text.slice(end + 1);
    if (after !== '' && !after.startsWith(':')) return 'only a port may follow "]"';
    portText = after === '' ? undefined : after.slice(1);
  } else if (text.indexOf(':') === text.lastIndexOf(':') && text.includes(':')) {
    target = text.slice(0, text.indexOf(':'));
    portText = text.slice(text.indexOf(':') + 1);
  }
  if (portText === undefined) return { target, ports: all };
  const ports = parsePorts(portText);
  return typeof ports === 'string' ? ports : { target, ports };
}

function parsePorts(text: string): EgressRule['ports'] | string {
  const [first, last] = (/^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/.exec(text) ?? []).slice(1);
  const ports = { first: Number(first), last: Number(last ?? first) };
  if (first === undefined || ports.first > MAX_PORT || ports.last > MAX_PORT) {
    return `${JSON.stringify(text)} is not a port from 1 to 65535 or a range of ports`;
  }
  return ports.first > ports.last ? `its ports ${JSON.stringify(text)} end before they begin` : ports;
}
