/** Values by their variables; a missing one has no value. */
export type Values = ReadonlyMap<string, string>;

/** Deepest default inside of defaults that is expanded: `${A:-${B:-...}}`. */
const MAX_DEPTH = 16;

/**
 * Replaces the variables in a word of a Dockerfile, and removes its quotes: `$NAME`, `${NAME}`, and with
 * `:-`, `-`, `:+` or `+` and a word. A variable without a value is replaced by nothing.
 */
export function expandVariables(
  word: string,
  { values, escapeWith, depth = 0 }: { values: Values; escapeWith: string; depth?: number },
): string {
  let result = '';
  let quote = '';
  for (let at = 0; at < word.length; at += 1) {
    const character = word[at] ?? '';
    if (character === escapeWith && quote !== "'" && at + 1 < word.length) {
      at += 1;
      result += word[at] ?? '';
    } else if (quote === '' ? character === '"' || character === "'" : character === quote) {
      quote = quote === '' ? character : '';
    } else if (character === '$' && quote !== "'") {
      const { end, name, operator, other } = variableAt(word, at);
      if (name === '') result += character;
      else {
        const inner =
          depth < MAX_DEPTH ? expandVariables(other, { values, escapeWith, depth: depth + 1 }) : '';
        result += valueIn(values.get(name), { operator, inner });
        at = end - 1;
      }
    } else result += character;
  }
  return result;
}

function valueIn(
  value: string | undefined,
  { operator, inner }: { operator: string; inner: string },
): string {
  const isSet = operator.startsWith(':') ? (value ?? '') !== '' : value !== undefined;
  if (operator.endsWith('-')) return isSet ? (value ?? '') : inner;
  if (operator.endsWith('+')) return isSet ? inner : '';
  return value ?? '';
}

/** The variable that begins with the `$` at `at`; its name is empty when there is none. */
function variableAt(
  word: string,
  at: number,
): { end: number; name: string; operator: string; other: string } {
  const none = { end: at + 1, name: '', operator: '', other: '' };
  const [, plain] = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(word.slice(at)) ?? [];
  if (plain !== undefined) return { ...none, end: at + 1 + plain.length, name: plain };
  const [head, name, operator = ''] = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+])?/.exec(word.slice(at)) ?? [];
  if (head === undefined || name === undefined) return none;
  const start = at + head.length;
  let open = 1;
  for (let end = start; end < word.length; end += 1) {
    if (word[end] === '{') open += 1;
    if (word[end] === '}') open -= 1;
    if (open === 0) return { end: end + 1, name, operator, other: word.slice(start, end) };
  }
  return none;
}
