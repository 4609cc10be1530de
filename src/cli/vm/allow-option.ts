import { parseEgressRule } from '../../protocol/egress/egress-rule.ts';
import type { ProblemList } from '../program/problems.ts';

/** What the guest of a VM may reach outside. */
export const ALLOW_OPTION = {
  type: 'list',
  value: 'rule',
  summary:
    'connect the guest to the outside, but let it reach only this: HOST[:PORT], *.HOST, an address or a CIDR, with udp/ before it for UDP, or a preset: @npm, @pypi, @crates, @go, @debian, @github, @docker; may be given several times',
} as const;

/** Returns the rules of an option. Adds what is wrong to `problems`; only the daemon knows all presets. */
export function rulesOf(given: readonly string[], problems: ProblemList): string[] {
  for (const rule of given) if (!rule.startsWith('@')) problems.attempt(() => parseEgressRule(rule));
  return [...given];
}
