import { defineCommand } from '../program/command.ts';

const KEY_ARGUMENT = {
  name: 'key',
  summary: 'its key, or a unique start of it',
  isRequired: true,
  kind: 'other',
} as const;

/** `banger template list` */
export const templateList = defineCommand({
  path: ['template', 'list'],
  summary: 'list warm templates',
  description:
    'Lists the saved guests that new VMs start from. There is one for each image and shape that was used; it is made when it is wanted.',
  examples: [
    { command: 'banger template list', does: 'The warm templates, the one that was used last first.' },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print the templates as a JSON array' } },
  async run({ options }, context) {
    const templates = await (await context.client()).listTemplates({ signal: context.signal });
    if (options.json) await context.printJson(templates);
    else {
      const { templateTable } = await import('./render-templates.ts');
      await context.print(templateTable(templates, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});

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

/** `banger template delete` */
export const templateDelete = defineCommand({
  path: ['template', 'delete'],
  summary: 'delete a warm template',
  description:
    'Removes a warm template. VMs that were made from it run on; the next one of its shape makes it again.',
  examples: [{ command: 'banger template delete 3f2a', does: 'Deletes the one whose key begins with 3f2a.' }],
  args: [KEY_ARGUMENT],
  options: { json: { type: 'flag', summary: 'print what was deleted as JSON' } },
  async run({ args: [key = ''], options }, context) {
    await (await context.client()).deleteTemplate(key, { signal: context.signal });
    if (options.json) await context.printJson({ name: key, outcome: 'deleted' });
    else await context.print(`${key}: deleted`);
    return 0;
  },
});

/** `banger template prune` */
export const templatePrune = defineCommand({
  path: ['template', 'prune'],
  summary: 'delete warm templates beyond the disk budget',
  description:
    'Removes the warm templates that were not used for longest, until the others fit in template_disk_budget of the config file (10G). This also happens by itself.',
  examples: [
    { command: 'banger template prune', does: 'Removes what is beyond the budget.' },
    { command: 'banger template prune --all', does: 'Removes all of them.' },
  ],
  args: [],
  options: {
    all: { type: 'flag', summary: 'remove all that no VM is starting from' },
    json: { type: 'flag', summary: 'print the keys that are gone as a JSON array' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const keys = await client.pruneTemplates(options.all ? { all: true } : {}, { signal: context.signal });
    if (options.json) await context.printJson(keys);
    else for (const key of keys) await context.print(`${key.slice(0, 12)}: deleted`);
    return 0;
  },
});
