import type { Catalog, CommandDefinition } from './command.ts';

/** The words of `line`, with a short form at its beginning written out. */
export function writeOut(line: readonly string[], { shortForms }: Pick<Catalog, 'shortForms'>): string[] {
  const found = shortForms.find(({ words }) => words.every((word, at) => line[at] === word));
  return found ? [...found.path, ...line.slice(found.words.length)] : [...line];
}

/** The short forms of one command, each as it is typed: `banger rm`. */
export function shortFormsOf(
  { path }: Pick<CommandDefinition, 'path'>,
  { shortForms }: Pick<Catalog, 'shortForms'>,
): string[] {
  const name = path.join(' ');
  return shortForms
    .filter((form) => form.path.join(' ') === name)
    .map(({ words }) => `banger ${words.join(' ')}`);
}

/** Commands that are typed with one word, such as `run`, with that word. */
export function shortWords({
  commands,
  shortForms,
}: Catalog): { word: string; command: CommandDefinition }[] {
  return shortForms.flatMap(({ words, path }) => {
    const command = commands.find((each) => each.path.join(' ') === path.join(' '));
    return words.length === 1 && command ? [{ word: words[0], command }] : [];
  });
}
