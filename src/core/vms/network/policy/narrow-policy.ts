import type { Abortable } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import { parseEgressRule } from '../../../../protocol/egress/egress-rule.ts';
import { narrowedTo } from '../../../../protocol/egress/intersect-rules.ts';
import type { VmPolicy } from '../../../../protocol/vm.ts';
import type { EgressPolicies } from '../../world.ts';
import { canonicalRule, MAX_GIVEN, MAX_RULES, resolvePolicy, tooManyRules } from './resolve-policy.ts';

/** What a guest reaches by address when it has no rules. */
const ALL_ADDRESSES = ['0.0.0.0/0', '::/0', 'udp/0.0.0.0/0', 'udp/::/0'];

/**
 * Narrows a policy to what a repository asks for: the result allows nothing that `own` refuses. Without
 * `own`, the guest would reach everything outside. A preset of which nothing is lost keeps its name; one of
 * the repository whose tool this host does not have stands for nothing.
 *
 * @throws {AppError} NETWORK_RULE_INVALID
 */
export async function narrowPolicy(
  world: EgressPolicies,
  own: VmPolicy | undefined,
  { to, signal }: Abortable & { to: readonly string[] },
): Promise<VmPolicy> {
  const asked = await resolveAsked(world, to, { signal });
  const askedRules = asked.rules.map(({ rule }) => parseEgressRule(rule));
  const narrowed = own
    ? eachGroup(own, (rule) => narrowedTo(rule, askedRules))
    : eachGroup(asked, (rule) => outsideOnly(rule));
  if (narrowed.rules.length > MAX_RULES) throw tooManyRules(MAX_RULES);
  return narrowed;
}

async function resolveAsked(
  world: EgressPolicies,
  texts: readonly string[],
  { signal }: Abortable,
): Promise<VmPolicy> {
  if (texts.length > MAX_GIVEN) throw tooManyRules(MAX_GIVEN);
  // All are read before a tool is asked.
  const all = texts.map((text) => canonicalRule(world, text));
  const found: VmPolicy[] = [];
  for (const text of all) {
    try {
      found.push(await resolvePolicy(world, [text], { signal }));
    } catch (error) {
      if (!isAppError(error, 'NETWORK_PRESET_UNKNOWN')) throw error;
    }
  }
  const allow = [...new Set(found.flatMap((one) => one.allow))];
  return { allow, rules: found.flatMap((one) => one.rules) };
}

/** Narrows all rules of a policy, by what was given for them. */
function eachGroup({ allow, rules }: VmPolicy, narrow: (rule: string) => string[]): VmPolicy {
  const result: VmPolicy = { allow: [], rules: [] };
  for (const text of allow) {
    const group = rules.filter(({ rule, from }) => (from ?? rule) === text);
    const left = group.flatMap(({ rule }) => narrow(rule));
    const isWhole = left.length === group.length && group.every(({ rule }) => left.includes(rule));
    if (isWhole) add(result, [text], group);
    else
      add(
        result,
        left,
        left.map((rule) => ({ rule })),
      );
  }
  return result;
}

/** Adds what is not there yet. */
function add(result: VmPolicy, allow: readonly string[], rules: VmPolicy['rules']): void {
  for (const text of allow) if (!result.allow.includes(text)) result.allow.push(text);
  for (const one of rules) {
    if (!result.rules.some(({ rule, from }) => rule === one.rule && from === one.from))
      result.rules.push(one);
  }
}

/** What a rule allows of what a guest without rules reaches. */
function outsideOnly(rule: string): string[] {
  const parsed = parseEgressRule(rule);
  return 'host' in parsed.target ? [rule] : ALL_ADDRESSES.flatMap((own) => narrowedTo(own, [parsed]));
}
