import { defineCommand } from '../program/command.ts';
import { KEY_ARGUMENT } from './template-args.ts';

/** `banger template show` */
export const templateShow = defineCommand({
  path: ['template', 'show'],
  summary: 'print a warm template as JSON',
  description: 'Prints what a warm template was made from, and how much disk space it takes.',
  examples: [{ command: 'banger template show 3f2a', does: 'The template whose key begins with 3f2a.' }],
  args: [KEY_ARGUMENT],
  options: { json: { type: 'flag', summary: 'print JSON (always the case)' } },
  async run({ args: [key = ''] }, context) {
    await context.printJson(await (await context.client()).showTemplate(key, { signal: context.signal }));
    return 0;
  },
});
