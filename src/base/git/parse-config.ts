import type { Setting } from './config-text.ts';

/** A section's heading: `[name]`, `[name "subsection"]`, or the older `[name.subsection]`. */
const HEADING = /\[([A-Za-z0-9-]+)(?:\.([A-Za-z0-9.-]+)|[ \t]+"((?:[^"\\\n\0]|\\[^\n\0])*)")?\]/y;

const NAME = /[A-Za-z][A-Za-z0-9-]*/y;
const BLANKS = /[ \t\r\n]*/y;
const BLANKS_OF_LINE = /[ \t]*/y;
const COMMENT = /[#;][^\n]*/y;

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', t: '\t', b: '\b', '"': '"', '\\': '\\' };

/**
 * Parses a git configuration file (syntax: git-config(1)); text is latin1, one character per byte. Treats
 * includes like any other setting. Returns `undefined` for text that git would not read. Takes linear time
 * for any input.
 */
export function parseConfig(text: string): Setting[] | undefined {
  const source = text.replace(/^\xef\xbb\xbf/, '').replaceAll('\r\n', '\n');
  const settings: Setting[] = [];
  let section: string | undefined;
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(BLANKS);
    if (at === source.length) return settings;
    if (take(COMMENT)) continue;
    if (source[at] === '[') {
      const [, name, older, subsection] = take(HEADING) ?? [];
      if (name === undefined) return undefined;
      const below = older?.toLowerCase() ?? subsection?.replace(/\\(.)/gs, '$1');
      section = name.toLowerCase() + (below === undefined ? '' : `.${below}`);
      continue;
    }
    const variable = take(NAME)?.[0].toLowerCase();
    if (variable === undefined || section === undefined) return undefined;
    const key = `${section}.${variable}`;
    take(BLANKS_OF_LINE);
    if (at === source.length || source[at] === '\n') {
      settings.push({ key });
      continue;
    }
    if (source[at] !== '=') return undefined;
    at += 1;
    take(BLANKS_OF_LINE);
    const read = readValue(source, at);
    if (!read) return undefined;
    settings.push({ key, value: read.value });
    at = read.end;
  }
}

/**
 * A value up to the end of its line, which a backslash at the end continues on the next one. Trailing blanks
 * and comments are not part of it.
 */
function readValue(source: string, start: number): { value: string; end: number } | undefined {
  const pieces: string[] = [];
  // What was read since the last character that certainly belongs to the value.
  let blanks = '';
  let isQuoted = false;
  let at = start;
  let hasText = false;
  const add = (piece: string): void => {
    pieces.push(blanks, piece);
    blanks = '';
    hasText ||= piece !== '';
  };
  for (; at < source.length && source[at] !== '\n'; at += 1) {
    const character = source[at] ?? '';
    if (character === '\0') return undefined;
    if (character === '"') {
      add('');
      isQuoted = !isQuoted;
    } else if (character === '\\') {
      add('');
      at += 1;
      const next = source[at] ?? '';
      const escaped = ESCAPED[next];
      if (next === '\n') continue;
      if (escaped === undefined || !Object.hasOwn(ESCAPED, next)) return undefined;
      add(escaped);
    } else if (isQuoted) add(character);
    else if (character === '#' || character === ';') {
      const end = source.indexOf('\n', at);
      return { value: pieces.join(''), end: end < 0 ? source.length : end };
    } else if (character === ' ' || character === '\t') {
      // Leading blanks are not part of it, on whichever line they are.
      if (hasText) blanks += character;
    } else add(character);
  }
  return isQuoted ? undefined : { value: pieces.join(''), end: at };
}
