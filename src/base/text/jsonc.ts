import { messageOf } from '../errors.ts';

/** What `JSON.parse` returns. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** A value, or what keeps the text from being one. */
export type JsoncResult = { value: JsonValue } | { problem: string };

/** Deepest nesting of lists and objects: callers walk the value with recursive functions. */
const MAX_DEPTH = 64;

/**
 * Parses JSON with comments and trailing commas. A problem is what
 * `JSON.parse` says, at the place in this text. A name such as
 * `__proto__` is a field like any other.
 */
export function parseJsonc(text: string): JsoncResult {
  const plain = blankComments(text);
  if ('problem' in plain) return plain;
  try {
    return { value: JSON.parse(blankTrailingCommas(plain.text)) as JsonValue };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { problem: messageOf(error) };
  }
}

/** A string, a comment of either kind, or one other character; an open string or comment ends at the end. */
const TOKEN = /"(?:[^"\\]|\\.)*"?|\/\/[^\n\r]*|\/\*[\s\S]*?(?:\*\/|$)|[\s\S]/gy;

/** Replaces comments by blanks, so that every other character keeps its place. */
function blankComments(text: string): { text: string } | { problem: string } {
  let depth = 0;
  const parts: string[] = [];
  for (const [token] of text.replace(/^\ufeff/, ' ').matchAll(TOKEN)) {
    if (token.startsWith('/*') && !/^\/\*[\s\S]*\*\/$/.test(token)) {
      return { problem: 'a comment that begins with /* does not end' };
    }
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    if (depth > MAX_DEPTH) return { problem: `it is nested more than ${MAX_DEPTH} levels deep` };
    parts.push(/^\/[/*]/.test(token) ? token.replace(/[^\n\r]/g, ' ') : token);
  }
  return { text: parts.join('') };
}

/** A string, or a comma between a value and the end of a list or an object. */
const COMMA_AT_END = /"(?:[^"\\]|\\.)*"?|(?<![[{,]\s*),(?=\s*[}\]])/g;

function blankTrailingCommas(text: string): string {
  return text.replace(COMMA_AT_END, (token) => (token === ',' ? ' ' : token));
}
