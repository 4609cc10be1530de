import { type Glob, globMatches, parseGlob } from './ignore-glob.ts';

interface IgnoreRule {
  glob: Glob;
  /** it begins with `!`: what it matches is sent after all */
  isException: boolean;
}

/** What {@link IgnoreRules.look} found out about a path; paths in that folder need it. */
export interface IgnoreResult {
  isIgnored: boolean;
  /** for each rule, whether it matches the path or a folder above it */
  matches: readonly boolean[];
}

/** Result for the top of a context, which no rule can ignore. */
const NOT_IGNORED: IgnoreResult = { isIgnored: false, matches: [] };

/**
 * The rules of a `.dockerignore`, as Docker reads it: one glob a line, `#` begins a comment, `!` an
 * exception, and the last rule that matches decides. A rule for a folder counts for everything in it.
 */
export class IgnoreRules {
  readonly #rules: readonly IgnoreRule[];
  /** Whether a path in an ignored folder may be sent after all. */
  readonly hasExceptions: boolean;

  private constructor(rules: readonly IgnoreRule[]) {
    this.#rules = rules;
    this.hasExceptions = rules.some(({ isException }) => isException);
  }

  static parse(text: string): IgnoreRules {
    const rules: IgnoreRule[] = [];
    for (const line of text.replace(/^\ufeff/, '').split('\n')) {
      if (line.startsWith('#')) continue;
      const given = line.trim();
      const isException = given.startsWith('!');
      const pattern = cleanPattern(isException ? given.slice(1).trim() : given);
      if (pattern !== '') rules.push({ glob: parseGlob(pattern), isException });
    }
    return new IgnoreRules(rules);
  }

  /** Decides about a path of the context, such as `src/main.c`; `parent` is the result for its folder. */
  look(path: string, parent: IgnoreResult = NOT_IGNORED): IgnoreResult {
    let isIgnored = false;
    const matches = this.#rules.map(({ glob, isException }, at) => {
      const isMatch = parent.matches[at] === true || globMatches(glob, path);
      if (isMatch) isIgnored = !isException;
      return isMatch;
    });
    return { isIgnored, matches };
  }
}

/** Removes `.`, `..` and doubled slashes, as Go's `filepath.Clean` does, and the first slash. */
function cleanPattern(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !pattern.startsWith('/')) parts.push(part);
  }
  return parts.join('/');
}
