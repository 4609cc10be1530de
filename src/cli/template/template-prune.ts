import { defineCommand } from '../program/command.ts';

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
