import { formatConfig, type Setting } from './config-text.ts';
import { harmlessSettings, isHarmless } from './harmless-settings.ts';
import { parseConfig } from './parse-config.ts';

/**
 * What a repository's git must know to read it at all, and the values that are known to start nothing and
 * lead nowhere.
 */
const STRUCTURE: Readonly<Record<string, RegExp>> = {
  'core.repositoryformatversion': /^[01]$/,
  'core.bare': /^(true|false)$/i,
  'core.logallrefupdates': /^(true|false|always)$/i,
  'extensions.objectformat': /^(sha1|sha256)$/i,
  'extensions.refstorage': /^(files|reftable)$/i,
};

/**
 * How one machine's git tells whether files were changed, and where that machine's user has attributes: of no
 * use elsewhere.
 */
const OF_ONE_MACHINE = new Set(['core.checkstat', 'core.trustctime', 'core.attributesfile']);

/** A repository's settings without those that start programs, lead elsewhere, or are not known. */
export interface SafeSettings {
  /** the configuration file, latin1 */
  text: string;
  /** the names of what is not in it, each once */
  dropped: string[];
}

/**
 * The settings of a repository that somebody else wrote, as a configuration that a git of ours may read.
 * Pure; text is latin1. Gives `undefined` for what is no configuration.
 */
export function safeSettings(text: string): SafeSettings | undefined {
  const settings = parseConfig(text);
  if (!settings) return undefined;
  const structure = new Map<string, Setting>();
  const dropped = new Set<string>();
  for (const setting of settings) {
    const { key, value } = setting;
    if (Object.hasOwn(STRUCTURE, key) && STRUCTURE[key]?.test(value ?? 'true')) structure.set(key, setting);
    else if (!isHarmless(key) && !OF_ONE_MACHINE.has(key)) dropped.add(key);
  }
  return {
    text: formatConfig([...structure.values(), ...harmlessSettings(settings)]),
    dropped: [...dropped],
  };
}
