import type { Catalog, CommandDefinition } from './command.ts';

/** Returns the words of `line`, with a short form at the beginning expanded. */
export function writeOut(line: readonly string[], { shortForms }: Pick<Catalog, 'shortForms'>): string[] {
  const found = shortForms.find(({ words }) => words.every((word, at) => line[at] === word));
  return found ? [...found.path, ...line.slice(found.words.length)] : [...line];
}

/** Returns the short forms of one command as they are typed: `banger rm`. */
export function shortFormsOf(
  { path }: Pick<CommandDefinition, 'path'>,
  { shortForms }: Pick<Catalog, 'shortForms'>,
): string[] {
  const name = path.join(' ');
  return shortForms
    .filter((form) => form.path.join(' ') === name)
    .map(({ words }) => `banger ${words.join(' ')}`);
}

/** Returns the commands with a one-word short form, such as `run`, and that word. */
export function shortWords({
  commands,
  shortForms,
}: Catalog): { word: string; command: CommandDefinition }[] {
  return shortForms.flatMap(({ words, path }) => {
    const command = commands.find((each) => each.path.join(' ') === path.join(' '));
    return words.length === 1 && command ? [{ word: words[0], command }] : [];
  });
}
