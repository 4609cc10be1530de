import { defineCommand } from '../program/command.ts';
import { KEY_ARGUMENT } from './template-args.ts';

/** `banger template delete` */
export const templateDelete = defineCommand({
  path: ['template', 'delete'],
  summary: 'delete a warm template',
  description:
    'Deletes a warm template. VMs that were made from it keep running; the next VM of its shape makes it again.',
  examples: [
    { command: 'banger template delete 3f2a', does: 'Deletes the template whose key begins with 3f2a.' },
  ],
  args: [KEY_ARGUMENT],
  options: { json: { type: 'flag', summary: 'print what was deleted as JSON' } },
  async run({ args: [key = ''], options }, context) {
    await (await context.client()).deleteTemplate(key, { signal: context.signal });
    if (options.json) await context.printJson({ name: key, outcome: 'deleted' });
    else await context.print(`${key}: deleted`);
    return 0;
  },
});
