import { invariant } from '../errors.ts';

/**
 * One setting of git's configuration. All text is latin1, one character per byte, because git guarantees no
 * encoding.
 */
export interface ConfigEntry {
  /** where git found it: `system`, `global`, `local`, `worktree` or `command` */
  scope: string;
  /**
   * the exact origin: `file:` and a path, which may be relative to the working tree, or for example `command
   * line:`
   */
  origin: string;
  /** `section.variable` or `section.subsection.variable`; git lower-cases everything except the subsection */
  key: string;
  /** absent for a variable without `=`, which means true */
  value?: string;
}

/** A setting without its origin. */
export type Setting = Omit<ConfigEntry, 'scope' | 'origin'>;

/** A key's parts; the subsection may contain dots. */
export interface ConfigKey {
  section: string;
  subsection?: string;
  variable: string;
}

/** The arguments whose output {@link parseConfigList} reads. */
export const CONFIG_LIST_ARGS = ['config', '--list', '--show-scope', '--show-origin', '-z'] as const;

/**
 * Parses the output of {@link CONFIG_LIST_ARGS}:
 *
 *     scope NUL origin NUL key [LF value] NUL ...
 */
export function parseConfigList(output: Buffer): ConfigEntry[] {
  const fields = output.toString('latin1').split('\0');
  const entries: ConfigEntry[] = [];
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const scope = fields[at] ?? '';
    const origin = fields[at + 1] ?? '';
    const text = fields[at + 2] ?? '';
    const lineEnd = text.indexOf('\n');
    entries.push(
      lineEnd < 0
        ? { scope, origin, key: text }
        : { scope, origin, key: text.slice(0, lineEnd), value: text.slice(lineEnd + 1) },
    );
  }
  return entries;
}

/** Splits a key at its first and last dot. */
export function splitConfigKey(key: string): ConfigKey {
  const first = key.indexOf('.');
  const last = key.lastIndexOf('.');
  invariant(first > 0 && last < key.length - 1, `git listed the setting "${key}"`);
  return {
    section: key.slice(0, first),
    variable: key.slice(last + 1),
    ...(last > first ? { subsection: key.slice(first + 1, last) } : {}),
  };
}

/** The last value of `key`, which is the effective one; `true` for a variable without `=`. */
export function configValue(entries: readonly ConfigEntry[], key: string): string | undefined {
  const last = entries.findLast((entry) => entry.key === key);
  return last && (last.value ?? 'true');
}

/**
 * Formats a configuration file that `git config --list` reads back as `entries`, in their order (syntax:
 * git-config(1)). Quotes all values that are not plain, so that spaces, `#` and `;` belong to the value.
 */
export function formatConfig(entries: readonly Setting[]): string {
  let text = '';
  let heading = '';
  for (const entry of entries) {
    const { section, subsection, variable } = splitConfigKey(entry.key);
    const nextHeading =
      subsection === undefined
        ? `[${section}]\n`
        : `[${section} "${subsection.replace(/["\\]/g, (character) => `\\${character}`)}"]\n`;
    if (nextHeading !== heading) text += nextHeading;
    heading = nextHeading;
    text += entry.value === undefined ? `\t${variable}\n` : `\t${variable} = ${formatValue(entry.value)}\n`;
  }
  return text;
}

function formatValue(value: string): string {
  if (/^[\w./:@+*-]+$/.test(value)) return value;
  return `"${value.replace(/[\\"\n\t\b]/g, (character) => ESCAPES[character] ?? character)}"`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\t': '\\t',
  '\b': '\\b',
};
