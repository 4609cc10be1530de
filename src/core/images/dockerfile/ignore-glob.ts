/** One part of a glob. */
type GlobToken =
  | { kind: 'character'; value: string }
  /** `[a-c]`; ranges of code points */
  | { kind: 'class'; ranges: readonly (readonly [number, number])[]; isNegated: boolean }
  /** `?`: any character but `/` */
  | { kind: 'one' }
  /** `*`: any number of characters but `/` */
  | { kind: 'star' }
  /** `**` in front of something: any number of whole folders */
  | { kind: 'folders' }
  /** `**` at the end: anything */
  | { kind: 'rest' };

/** A glob as Docker reads it in `.dockerignore`. */
export type Glob = readonly GlobToken[];

/** Parses a glob. An unfinished class stands for itself, as does a backslash at the end. */
export function parseGlob(pattern: string): Glob {
  const tokens: GlobToken[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at += 1) {
    const value = characters[at] ?? '';
    if (value === '*' && characters[at + 1] === '*') {
      at += characters[at + 2] === '/' ? 2 : 1;
      tokens.push({ kind: at + 1 >= characters.length ? 'rest' : 'folders' });
    } else if (value === '*') tokens.push({ kind: 'star' });
    else if (value === '?') tokens.push({ kind: 'one' });
    else if (value === '\\' && at + 1 < characters.length) {
      at += 1;
      tokens.push({ kind: 'character', value: characters[at] ?? '' });
    } else if (value === '[') {
      const end = characters.indexOf(']', at + 2);
      if (end < 0) tokens.push({ kind: 'character', value });
      else {
        tokens.push(parseClass(characters.slice(at + 1, end)));
        at = end;
      }
    } else tokens.push({ kind: 'character', value });
  }
  return tokens;
}

function parseClass(given: readonly string[]): GlobToken {
  const isNegated = given[0] === '^';
  const characters = isNegated ? given.slice(1) : given;
  const ranges: (readonly [number, number])[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const first = codeOf(characters[at]);
    const isRange = characters[at + 1] === '-' && at + 2 < characters.length;
    ranges.push([first, isRange ? codeOf(characters[at + 2]) : first]);
    if (isRange) at += 2;
  }
  return { kind: 'class', ranges, isNegated };
}

/**
 * Whether a glob matches a whole path. Follows all ways to match at once, so the time is at most the
 * product of both lengths, whatever the glob.
 */
export function globMatches(glob: Glob, path: string): boolean {
  let states = new Set<number>();
  arrive(glob, 0, states);
  for (const character of path) {
    const next = new Set<number>();
    for (const state of states) {
      const token = glob[state];
      if (token === undefined) continue;
      if (takes(token, character)) arrive(glob, state + 1, next);
      else if (token.kind === 'rest' || (token.kind === 'star' && character !== '/'))
        arrive(glob, state, next);
      else if (token.kind === 'folders') {
        next.add(state);
        if (character === '/') arrive(glob, state + 1, next);
      }
    }
    if (next.size === 0) return false;
    states = next;
  }
  return states.has(glob.length);
}

/** Adds a state, and those after it that tokens which may stand for nothing lead to. */
function arrive(glob: Glob, state: number, states: Set<number>): void {
  for (let at = state; ; at += 1) {
    states.add(at);
    const kind = glob[at]?.kind;
    if (kind !== 'star' && kind !== 'rest' && kind !== 'folders') return;
  }
}

/** Whether a token takes exactly this one character. */
function takes(token: GlobToken, character: string): boolean {
  if (token.kind === 'character') return token.value === character;
  if (token.kind === 'one') return character !== '/';
  if (token.kind !== 'class' || character === '/') return false;
  const code = codeOf(character);
  return token.ranges.some(([from, to]) => from <= code && code <= to) !== token.isNegated;
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? 0;
}
