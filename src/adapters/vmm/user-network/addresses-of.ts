import { lookup } from 'node:dns/promises';
import { isErrno } from '../../../base/errors.ts';
import { parseEgressRule } from '../../../protocol/egress/egress-rule.ts';

/** Errors of the resolver: the name has no addresses, or no nameserver answers. */
const UNRESOLVED = [
  'ENOTFOUND',
  'ENODATA',
  'EAI_AGAIN',
  'EAI_FAIL',
  'ESERVFAIL',
  'ETIMEOUT',
  'EREFUSED',
] as const;

/** The addresses that the name of a rule has on this host; none for a rule for addresses. */
export async function addressesOf(rule: string): Promise<string[]> {
  const { target } = parseEgressRule(rule);
  if (!('host' in target)) return [];
  try {
    return (await lookup(target.host, { all: true })).map(({ address }) => address);
  } catch (error) {
    if (isErrno(error, ...UNRESOLVED)) return [];
    throw error;
  }
}
