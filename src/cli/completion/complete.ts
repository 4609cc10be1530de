import { defineCommand } from '../program/command.ts';

/** `banger __complete`: called by the completion scripts. */
export const complete = defineCommand({
  path: ['__complete'],
  summary: 'print what could be typed next',
  description:
    'Prints how the last of the words could be completed: first a line that says what the shell offers as well (":none", ":folders", ":files"), then one candidate per line, with its meaning after a tab. The scripts of banger completion call it.',
  examples: [{ command: "banger __complete -- vm ''", does: 'Prints the commands about VMs.' }],
  args: [],
  trailing: { name: 'words', summary: 'the words after banger, the last one unfinished', isRequired: true },
  options: {},
  isHidden: true,
  async run({ trailing = [], catalog }, context) {
    const { completionsOf } = await import('./complete-words.ts');
    const { liveNames } = await import('./live-names.ts');
    const found = await completionsOf(trailing, { catalog, live: liveNames(context) });
    await context.print([found.directive, ...found.candidates].join('\n'));
    return 0;
  },
});
