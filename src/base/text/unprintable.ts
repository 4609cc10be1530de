/*
 * Characters that must not reach a terminal from a source that is not trusted. Controls and line separators
 * move the cursor or end a line. Bidirectional controls, zero-width and other format characters, tags and
 * lone surrogates show nothing themselves, so that a text can look like another one. The variation selectors
 * of emoji (U+FE0E, U+FE0F) are harmless.
 */

/** Controls (terminal escapes begin with one) and separators of lines. */
export const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

/** What shows nothing and is no control. */
export const INVISIBLE = /(?![\ufe0e\ufe0f])[\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * `value` as JSON in which every unprintable character is escaped: it means the same, and is harmless on a
 * terminal and in a log. `indent` as of `JSON.stringify`, which escapes fewer.
 */
export function jsonText(value: unknown, indent?: number): string {
  const escaped = (found: string): string =>
    Array.from(
      { length: found.length },
      (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join('');
  // Its own line ends are the only controls that JSON has between its tokens.
  return (JSON.stringify(value, null, indent) ?? 'null')
    .replace(CONTROLS, (found) => found.replace(/[^\n]/g, escaped))
    .replace(INVISIBLE, escaped);
}
