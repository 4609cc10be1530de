import { parse, TomlError } from 'smol-toml';
import { AppError, printable } from '../../base/errors.ts';
import { parseEgressRule } from '../../protocol/egress/egress-rule.ts';
import { PRESET_NAMES } from '../../protocol/egress/presets.ts';
import { type NetworkPolicies, readNetworkPolicies } from '../network-policies.ts';

/** What a repository says about its VMs, checked. */
export interface RepositoryFile {
  /** rules and presets that its programs need; absent: it says nothing about the network */
  allow?: readonly string[];
}

/** Most rules of a file. */
const MAX_RULES = 256;

/** Most problems of a file that its error names. */
const MAX_SHOWN = 10;

const KNOWN_KEYS = '"network.allow" and "network.policies.NAME.allow"';

/**
 * Parses the `.banger.toml` of a repository (TOML 1.0). Names of its own policies are replaced by their
 * rules, so that none means a policy of the host.
 *
 * @throws {AppError} REPOSITORY_FILE_INVALID with the line of a syntax error, or each bad key.
 */
export function parseRepositoryFile(source: string, path: string): RepositoryFile {
  const { network, ...others } = tableOf(source, path);
  const problems = Object.keys(others).map(unknownKey);
  const allow = network === undefined ? undefined : readNetwork(network, problems);
  if (problems.length > 0) throw invalid(path, problems);
  return allow === undefined ? {} : { allow };
}

/** The error of a file that cannot be used. */
export function repositoryFileInvalid(path: string, why: string, cause?: unknown): AppError {
  return new AppError('REPOSITORY_FILE_INVALID', `Cannot use "${printable(path)}": ${why}`, {
    hint: `its keys are ${KNOWN_KEYS}, each a list of rules such as "example.com:443" or "@npm"`,
    details: { path },
    cause,
  });
}

function tableOf(source: string, path: string): Record<string, unknown> {
  try {
    return parse(source);
  } catch (error) {
    // A file with very many brackets is refused by the depth of the stack.
    if (!(error instanceof TomlError || error instanceof RangeError)) throw error;
    const place = error instanceof TomlError ? `line ${error.line}, column ${error.column}` : 'it';
    throw repositoryFileInvalid(path, `${place} is not TOML`, error);
  }
}

function readNetwork(value: unknown, problems: string[]): readonly string[] | undefined {
  if (!isTable(value)) {
    problems.push('"network" must be a table');
    return undefined;
  }
  const { allow, policies: policyTables = {}, ...others } = value;
  problems.push(...Object.keys(others).map((key) => unknownKey(`network.${key}`)));
  const policies = readPolicies(policyTables, problems);
  if (allow === undefined) {
    problems.push('"network.allow" is missing: it says which rules and policies count');
    return undefined;
  }
  if (!Array.isArray(allow) || !allow.every((rule) => typeof rule === 'string')) {
    problems.push('"network.allow" must be a list of rules such as "example.com:443" or "@npm"');
    return undefined;
  }
  if (!policies) return undefined;
  const rules = [...new Set(allow.flatMap((rule: string) => rulesOf(rule, policies, problems)))];
  if (rules.length > MAX_RULES) problems.push(`"network.allow" has more than ${MAX_RULES} rules`);
  return rules;
}

function readPolicies(tables: unknown, problems: string[]): NetworkPolicies | undefined {
  try {
    return readNetworkPolicies(tables, 'network.policies');
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

function rulesOf(rule: string, policies: NetworkPolicies, problems: string[]): readonly string[] {
  if (rule.startsWith('@')) {
    const own = policies.get(rule.slice(1));
    if (own || PRESET_NAMES.some((name) => rule === `@${name}`)) return own ?? [rule];
    const known = [...PRESET_NAMES, ...policies.keys()].map((name) => `@${name}`).join(', ');
    problems.push(`"network.allow" has "${printable(rule)}", which is none of ${known}`);
    return [];
  }
  try {
    parseEgressRule(rule);
    return [rule];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    problems.push(`"network.allow": ${error.message}`);
    return [];
  }
}

function invalid(path: string, problems: readonly string[]): AppError {
  const more = problems.length - MAX_SHOWN;
  const shown = problems.slice(0, MAX_SHOWN).join('; ');
  return repositoryFileInvalid(path, more > 0 ? `${shown}; and ${more} more` : shown);
}

function unknownKey(key: string): string {
  return `"${printable(key)}" is not a known key`;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
