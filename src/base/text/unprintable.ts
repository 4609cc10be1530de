/*
 * Characters that must not reach a terminal from an untrusted source. Control characters and line separators
 * move the cursor or end a line. Bidirectional controls, zero-width and other format characters, tags and
 * lone surrogates are invisible and can make a text look like another one. The variation selectors of emoji
 * (U+FE0E, U+FE0F) are harmless.
 */

/** Control characters (terminal escapes begin with one) and line separators. */
export const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

/** Invisible characters that are not control characters. */
export const INVISIBLE = /(?![\ufe0e\ufe0f])[\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * `value` as JSON with every unprintable character escaped: the meaning is the same, but it is safe on a
 * terminal and in a log. `indent` as for `JSON.stringify`, which escapes fewer characters.
 */
export function jsonText(value: unknown, indent?: number): string {
  const escaped = (found: string): string =>
    Array.from(
      { length: found.length },
      (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join('');
  // Between tokens, the only control characters of JSON are its own line ends.
  return (JSON.stringify(value, null, indent) ?? 'null')
    .replace(CONTROLS, (found) => found.replace(/[^\n]/g, escaped))
    .replace(INVISIBLE, escaped);
}
