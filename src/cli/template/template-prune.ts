import { defineCommand } from '../program/command.ts';

/** `banger template prune` */
export const templatePrune = defineCommand({
  path: ['template', 'prune'],
  summary: 'delete warm templates beyond the disk budget',
  description:
    'Deletes the least recently used warm templates until the others and the base images of repositories fit in template_disk_budget of the config file (10G). The daemon also does this by itself.',
  examples: [
    { command: 'banger template prune', does: 'Deletes what exceeds the budget.' },
    { command: 'banger template prune --all', does: 'Deletes all of them.' },
  ],
  args: [],
  options: {
    all: { type: 'flag', summary: 'delete all that no VM is starting from' },
    dryRun: { type: 'flag', summary: 'print what would be deleted, and delete nothing' },
    json: { type: 'flag', summary: 'print the deleted keys as a JSON array' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const isDryRun = options.dryRun ?? false;
    const request = { ...(options.all ? { all: true } : {}), ...(isDryRun ? { dryRun: true } : {}) };
    const keys = await client.pruneTemplates(request, { signal: context.signal });
    const outcome = isDryRun ? 'would be deleted' : 'deleted';
    if (options.json) await context.printJson(keys);
    else for (const key of keys) await context.print(`${key.slice(0, 12)}: ${outcome}`);
    return 0;
  },
});
