import { AppError, printable } from '../base/errors.ts';
import { parseEgressRule } from '../protocol/egress/egress-rule.ts';
import { PRESET_NAMES } from '../protocol/egress/presets.ts';

/** The tables `[network.policies.NAME]` of the config file: lists of rules and presets, by name. */
export type NetworkPolicies = ReadonlyMap<string, readonly string[]>;

/**
 * Checks the value of the key `network.policies`. A policy has rules and presets, and no other policies.
 *
 * @throws {AppError} CONFIG_INVALID with every problem, each naming its policy and field.
 */
export function readNetworkPolicies(value: unknown, field: string): NetworkPolicies {
  if (!isTable(value)) throw new AppError('CONFIG_INVALID', `"${field}" must have [${field}.NAME] tables`);
  const problems = Object.entries(value).flatMap(([name, table]) => problemsOf(table, { name, field }));
  if (problems.length > 0) throw new AppError('CONFIG_INVALID', problems.join('; '));
  const tables = value as Record<string, { allow: string[] }>;
  return new Map(Object.entries(tables).map(([name, { allow }]) => [name, allow]));
}

function problemsOf(table: unknown, { name, field }: { name: string; field: string }): string[] {
  const place = `${field}.${printable(name)}`;
  if (PRESET_NAMES.some((preset) => preset === name)) return [`"${place}" has the name of a preset`];
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
    return [`"${place}" must be named by 1 to 63 of a-z, 0-9 and "-"`];
  }
  if (!isTable(table)) return [`"${place}" must be a table`];
  const { allow, ...others } = table;
  const unknown = Object.keys(others).map((key) => `"${place}.${printable(key)}" is not a known key`);
  const isList = Array.isArray(allow) && allow.every((rule) => typeof rule === 'string');
  if (!isList) return [...unknown, `"${place}.allow" must be a list of rules such as "example.com:443"`];
  return [...unknown, ...allow.flatMap((rule: string) => ruleProblem(rule, place) ?? [])];
}

function ruleProblem(rule: string, place: string): string | undefined {
  if (rule.startsWith('@')) {
    return PRESET_NAMES.some((name) => rule === `@${name}`)
      ? undefined
      : `"${place}.allow" has "${printable(rule)}", which is no preset`;
  }
  try {
    parseEgressRule(rule);
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `"${place}.allow": ${error.message}`;
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
