/** Names, each ended by NUL, as git and tar read lists of names. */
export function nulList(names: readonly string[]): string {
  return names.map((name) => `${name}\0`).join('');
}
