/**
 * Bytes in place of text, when they are not UTF-8: each byte that belongs to no character becomes the lone
 * surrogate U+DC00 + byte, which no decoded text contains (Python calls this "surrogateescape"). Whatever
 * writes such text as UTF-8 writes U+FFFD there, as Node does.
 */
const ESCAPE_BASE = 0xdc00;

const ESCAPES = /[\udc80-\udcff]/;

/** A character of UTF-8 at the start of what is matched, in a string that has a character for each byte. */
const CHARACTER =
  /[\0-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|([\x80-\xff])/g;

/** `bytes` as text, from which {@link bytesOfEscaped} makes the same bytes again. */
export function escapedText(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(CHARACTER, (found, stray?: string) =>
      stray === undefined
        ? Buffer.from(found, 'latin1').toString()
        : String.fromCharCode(ESCAPE_BASE + stray.charCodeAt(0)),
    );
}

/** Whether a text from {@link escapedText} holds bytes that are not UTF-8. */
export function hasEscapes(text: string): boolean {
  return ESCAPES.test(text) && !text.isWellFormed();
}

/** The bytes that {@link escapedText} was given. */
export function bytesOfEscaped(text: string): Buffer {
  const parts: Buffer[] = [];
  // By code points: a pair of surrogates is one character, and is no escape.
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isEscape = code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff;
    parts.push(isEscape ? Buffer.of(code - ESCAPE_BASE) : Buffer.from(character));
  }
  return Buffer.concat(parts);
}
