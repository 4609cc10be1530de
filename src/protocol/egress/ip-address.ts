/** An IP address, or the first of a network's. */
export interface IpAddress {
  /** 32 or 128 */
  width: 32 | 128;
  value: bigint;
}

const IPV4 = /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/;

/** Parses an IP address without a zone; `undefined` when the text is none. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (text.includes(':')) return parseIpv6(text);
  const parts = IPV4.exec(text)?.slice(1).map(Number);
  if (!parts || parts.some((part) => part > 255)) return undefined;
  return { width: 32, value: parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n) };
}

function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => groupsOf(half));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])];
  return { width: 128, value: groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n) };
}

/** The 16-bit groups of a part without `::`; its last may be an IPv4 address. */
function groupsOf(text: string): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && index === parts.length - 1) {
      const address = parseIpAddress(part);
      if (!address) return undefined;
      groups.push(Number(address.value >> 16n), Number(address.value & 0xffffn));
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups.length <= 8 ? groups : undefined;
}

/** Prints an address in its shortest form (RFC 5952). */
export function formatIpAddress({ width, value }: IpAddress): string {
  if (width === 32) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xffffn));
  const text = groups.map((group) => group.toString(16)).join(':');
  // The longest run of zeros, the first of several, unless it is a single one.
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (groupCount(run) > groupCount(best) ? run : best), '');
  if (longest === '') return text;
  const at = text.indexOf(longest);
  return `${text.slice(0, at)}::${text.slice(at + longest.length).replace(/^:/, '')}`;
}

function groupCount(run: string): number {
  return run.split(':').filter((part) => part !== '').length;
}

/** Whether two networks of the same kind of addresses have an address in common. */
function overlaps(one: IpNetwork, other: IpNetwork): boolean {
  const bits = Math.min(one.bits, other.bits);
  return one.width === other.width && masked(one, bits) === masked(other, bits);
}

/** Whether all addresses of a network are in a range. */
export function isInside(network: IpNetwork, range: IpNetwork): boolean {
  return range.bits <= network.bits && overlaps(network, range);
}

/** A network: all addresses that begin with the same `bits`. */
export interface IpNetwork extends IpAddress {
  bits: number;
}

/** The address with only its first `bits`. */
export function masked({ width, value }: IpAddress, bits: number): bigint {
  const rest = BigInt(width - bits);
  return (value >> rest) << rest;
}
