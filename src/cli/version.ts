import { defineCommand } from './program/command.ts';

/** `banger version` */
export const version = defineCommand({
  path: ['version'],
  summary: 'print the version',
  description:
    'Prints the version of this command. For the version of a running daemon: banger daemon status.',
  examples: [
    { command: 'banger version', does: 'Version, commit and time of the build.' },
    { command: 'banger --version', does: 'The same on one line; its second word is the version.' },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print it as JSON' } },
  async run({ options }, context) {
    const { version: name, commit, builtAt } = context.io.build;
    if (options.json) await context.printJson({ version: name, commit, builtAt });
    else await context.print(`version: ${name}\ncommit: ${commit}\nbuilt_at: ${builtAt}`);
    return 0;
  },
});
