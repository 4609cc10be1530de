import { type EgressRule, formatEgressRule, parseEgressRule } from './egress-rule.ts';
import { type IpNetwork, isInside } from './ip-address.ts';
import { isNamedAlone, isNearHost } from './rule-network.ts';

/**
 * Returns the rule for what both rules allow; `undefined` when that is nothing, or no rule can say it: a rule
 * for a name and one for addresses have nothing in common here.
 */
function intersectRules(own: EgressRule, other: EgressRule): EgressRule | undefined {
  if (own.protocol !== other.protocol) return undefined;
  const ports = {
    first: Math.max(own.ports.first, other.ports.first),
    last: Math.min(own.ports.last, other.ports.last),
  };
  const target = targetOfBoth(own.target, other.target);
  return target === undefined || ports.first > ports.last
    ? undefined
    : { protocol: own.protocol, target, ports };
}

/**
 * Narrows a rule to what some of the others allow, too: the rules for that, in their shortest form. A rule
 * that one of them covers is returned as it is. `rule` is no preset. Pure.
 *
 * What the result allows, `rule` allows. So it never has addresses at which clouds serve credentials and that
 * `rule`, as a range around them, does not allow.
 */
export function narrowedTo(rule: string, others: readonly EgressRule[]): string[] {
  const own = parseEgressRule(rule);
  const parts = others.flatMap((other) => {
    const part = intersectRules(own, other);
    return part ? [formatEgressRule(part)] : [];
  });
  const whole = formatEgressRule(own);
  return parts.includes(whole) ? [whole] : [...new Set(parts)];
}

type Target = EgressRule['target'];

function targetOfBoth(own: Target, other: Target): Target | undefined {
  if ('host' in own) return 'host' in other ? nameOfBoth(own, other) : undefined;
  return 'host' in other ? undefined : networkOfBoth(own, other);
}

type Name = Extract<Target, { host: string }>;

function nameOfBoth(own: Name, other: Name): Name | undefined {
  if (has(own, other)) return other;
  return has(other, own) ? own : undefined;
}

/** Whether all names of `inner` are names of `outer`. */
function has(outer: Name, inner: Name): boolean {
  if (outer.host === inner.host) return outer.isWildcard === inner.isWildcard;
  return outer.isWildcard && inner.host.endsWith(`.${outer.host}`);
}

function networkOfBoth(own: IpNetwork, other: IpNetwork): IpNetwork | undefined {
  if (isInside(own, other)) return own;
  if (!isInside(other, own)) return undefined;
  // Such addresses are allowed only by a rule that names them, which the wider one does not.
  return isNearHost(other, own) || isNamedAlone(other) ? undefined : other;
}
