import { defineCommand } from '../program/command.ts';

/** `banger __complete`: what the completion scripts ask. */
export const complete = defineCommand({
  path: ['__complete'],
  summary: 'print what could be typed next',
  description:
    'Prints how the last of the words could be completed: first a line that says what else fits (":none", ":folders", ":files"), then one candidate a line, with its meaning behind a tab. The scripts of banger completion call it.',
  examples: [{ command: "banger __complete -- vm ''", does: 'The commands about VMs.' }],
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
