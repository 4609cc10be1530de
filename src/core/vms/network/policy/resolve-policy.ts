import type { Abortable } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import { formatEgressRule, parseEgressRule, ruleInvalid } from '../../../../protocol/egress/egress-rule.ts';
import { PRESET_NAMES, type PresetName } from '../../../../protocol/egress/presets.ts';
import type { VmPolicy } from '../../../../protocol/vm.ts';
import type { EgressPolicies } from '../../world.ts';

/** Most rules that a policy may be given. */
export const MAX_GIVEN = 256;

/** Most rules that those of a policy may stand for. */
export const MAX_RULES = 1_000;

/**
 * Finds what rules, presets and the user's own policies stand for on this host now. All rules are checked
 * before any tool is asked.
 *
 * @throws {AppError} NETWORK_RULE_INVALID, NETWORK_PRESET_UNKNOWN.
 */
export async function resolvePolicy(
  world: EgressPolicies,
  given: readonly string[],
  { signal }: Abortable,
): Promise<VmPolicy> {
  const allow = [...new Set(given.map((text) => canonicalRule(world, text)))];
  if (allow.length > MAX_GIVEN) throw tooManyRules(MAX_GIVEN);
  const rules: VmPolicy['rules'] = [];
  for (const text of allow) rules.push(...(await rulesOf(world, text, { signal })));
  if (rules.length > MAX_RULES) throw tooManyRules(MAX_RULES);
  return { allow, rules };
}

/** The rules of every preset that this host knows, for what a network learns. */
export async function knownPresets(world: EgressPolicies, { signal }: Abortable): Promise<VmPolicy['rules']> {
  const each = PRESET_NAMES.map(async (name) => {
    try {
      return (await resolvePolicy(world, [`@${name}`], { signal })).rules;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return [];
    }
  });
  return (await Promise.all(each)).flat();
}

/**
 * Returns a rule as it is kept and compared: `Example.com.` and `example.com` are one.
 *
 * @throws {AppError} NETWORK_RULE_INVALID
 */
export function canonicalRule(world: Pick<EgressPolicies, 'policies'>, text: string): string {
  if (!text.startsWith('@')) return formatEgressRule(parseEgressRule(text));
  for (const part of partsOf(world, text)) if (!part.startsWith('@')) parseEgressRule(part);
  return text;
}

/** What one rule, preset or policy of the user stands for. */
async function rulesOf(
  world: EgressPolicies,
  text: string,
  { signal }: Abortable,
): Promise<VmPolicy['rules']> {
  const from = text.startsWith('@') ? { from: text } : {};
  const rules: VmPolicy['rules'] = [];
  for (const part of partsOf(world, text)) {
    const found = part.startsWith('@') ? await rulesOfPreset(world, part, { signal }) : [part];
    rules.push(...found.map((rule) => ({ rule, ...from })));
  }
  return rules;
}

/** The rules and presets that one rule stands for: those of a policy of the configuration, else itself. */
function partsOf({ policies }: Pick<EgressPolicies, 'policies'>, text: string): readonly string[] {
  const name = text.slice(1);
  if (!text.startsWith('@') || isPreset(name)) return [text];
  const own = policies.get(name);
  if (own) return own;
  const known = [...PRESET_NAMES, ...policies.keys()].map((each) => `@${each}`);
  throw ruleInvalid(text, `there is no such preset; the presets are ${known.join(', ')}`);
}

function isPreset(name: string): name is PresetName {
  return PRESET_NAMES.some((each) => each === name);
}

async function rulesOfPreset(
  { presets }: Pick<EgressPolicies, 'presets'>,
  text: string,
  { signal }: Abortable,
): Promise<string[]> {
  const name = text.slice(1);
  // A policy of the configuration has presets and rules, and no other policies.
  if (!isPreset(name)) throw ruleInvalid(text, 'a policy of the configuration may only name presets');
  const found = await presets.rulesOf(name, { signal });
  return found.map((rule) => formatEgressRule(parseEgressRule(rule)));
}

/** The error of more rules than `most`. */
export function tooManyRules(most: number): AppError {
  return new AppError('NETWORK_RULE_INVALID', `Cannot use these rules: there are more than ${most}`, {
    hint: 'use wildcards, CIDRs or presets',
  });
}
