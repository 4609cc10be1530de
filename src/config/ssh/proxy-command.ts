/** A word that neither a shell nor ssh_config(5) changes. */
const PLAIN = /^[A-Za-z0-9_@+:,./=-]+$/;

/** What {@link quoted} has written, or a plain word. */
const WORD = /"(?:[^"\\]|\\.)*"|[^ "]+/g;

/**
 * The value of `ProxyCommand` (ssh_config(5)) that runs a program with exactly these arguments. ssh expands
 * percent signs and passes the rest to the user's shell, but first checks the quotes by its own rules, in
 * which a backslash also counts within single quotes: both read double quotes in the same way.
 */
export function proxyCommand(argv: readonly string[]): string {
  return argv
    .map((word) => (PLAIN.test(word) ? word : quoted(word)))
    .join(' ')
    .replaceAll('%', '%%');
}

/** The arguments that {@link proxyCommand} was called with. */
export function proxyArgv(command: string): string[] {
  const words = command.replaceAll('%%', '%').match(WORD) ?? [];
  return words.map((word) => (word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word));
}

function quoted(word: string): string {
  return `"${word.replace(/[\\"$`]/g, '\\$&')}"`;
}
