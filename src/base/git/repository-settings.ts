import { formatConfig, type Setting } from './config-text.ts';
import { harmlessSettings, isHarmless } from './harmless-settings.ts';
import { parseConfig } from './parse-config.ts';

/**
 * What git must know to read a repository at all, with the values that are known to start nothing and lead
 * nowhere.
 */
const STRUCTURE: Readonly<Record<string, RegExp>> = {
  'core.repositoryformatversion': /^[01]$/,
  'core.bare': /^(true|false)$/i,
  'core.logallrefupdates': /^(true|false|always)$/i,
  'extensions.objectformat': /^(sha1|sha256)$/i,
  'extensions.refstorage': /^(files|reftable)$/i,
};

/**
 * How one machine's git detects changed files, and where that machine's user has attributes: useless
 * elsewhere.
 */
const OF_ONE_MACHINE = new Set(['core.checkstat', 'core.trustctime', 'core.attributesfile']);

/** A repository's settings without those that start programs, lead elsewhere, or are unknown. */
export interface SafeSettings {
  /** the configuration file, latin1 */
  text: string;
  /** names of the settings that were dropped, without duplicates */
  dropped: string[];
}

/**
 * The settings of a repository that somebody else wrote, as a configuration that is safe for our git. Pure;
 * text is latin1. Returns `undefined` when the text is not a git configuration. A setting that has the value
 * in `unnamed` is dropped without being named.
 */
export function safeSettings(
  text: string,
  unnamed: Readonly<Record<string, string>> = {},
): SafeSettings | undefined {
  const settings = parseConfig(text);
  if (!settings) return undefined;
  const structure = new Map<string, Setting>();
  const dropped = new Set<string>();
  const isUnnamed = ({ key, value }: Setting): boolean =>
    Object.hasOwn(unnamed, key) && unnamed[key] === value;
  for (const setting of settings) {
    const { key, value } = setting;
    if (Object.hasOwn(STRUCTURE, key) && STRUCTURE[key]?.test(value ?? 'true')) structure.set(key, setting);
    else if (!isHarmless(key) && !OF_ONE_MACHINE.has(key) && !isUnnamed(setting)) dropped.add(key);
  }
  return {
    text: formatConfig([...structure.values(), ...harmlessSettings(settings)]),
    dropped: [...dropped],
  };
}
