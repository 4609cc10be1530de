import { defineCommand } from '../program/command.ts';
import { KEY_ARGUMENT } from './template-args.ts';

/** `banger template show` */
export const templateShow = defineCommand({
  path: ['template', 'show'],
  summary: 'print a warm template as JSON',
  description: 'Prints what a warm template was made from, and what it takes on disk.',
  examples: [{ command: 'banger template show 3f2a', does: 'The one whose key begins with 3f2a.' }],
  args: [KEY_ARGUMENT],
  options: { json: { type: 'flag', summary: 'as JSON, which is what it always prints' } },
  async run({ args: [key = ''] }, context) {
    await context.printJson(await (await context.client()).showTemplate(key, { signal: context.signal }));
    return 0;
  },
});
