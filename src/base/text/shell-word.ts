/** A word that no shell changes, but for a reserved word at the start of a line. */
const PLAIN = /^[A-Za-z0-9_@%+:,./-]+$/;

/** The text that a POSIX shell reads as exactly this word, with nothing in it expanded. */
export function shellWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
