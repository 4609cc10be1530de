import { defineCommand } from '../program/command.ts';

/** `banger workspace cache prune` */
export const workspaceCachePrune = defineCommand({
  path: ['workspace', 'cache', 'prune'],
  summary: 'delete base images of repositories that are gone, and those beyond the disk budget',
  description:
    'Deletes the base images whose repository is gone, then the least recently used ones until the others and the warm templates fit in template_disk_budget of the config file (10G). The daemon also does this by itself. VMs that were made from a base image do not need it.',
  examples: [
    { command: 'banger workspace cache prune', does: 'Deletes what is gone or exceeds the budget.' },
    {
      command: 'banger workspace cache prune --all --dry-run',
      does: 'Prints all that are not in use, and deletes nothing.',
    },
  ],
  args: [],
  options: {
    all: { type: 'flag', summary: 'delete all that no VM is starting from' },
    dryRun: { type: 'flag', summary: 'print what would be deleted, and delete nothing' },
    json: { type: 'flag', summary: 'print the deleted base images as a JSON array' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const isDryRun = options.dryRun ?? false;
    const request = { ...(options.all ? { all: true } : {}), ...(isDryRun ? { dryRun: true } : {}) };
    const bases = await client.pruneWorkspaceBases(request, { signal: context.signal });
    const outcome = isDryRun ? 'would be deleted' : 'deleted';
    if (options.json) await context.printJson(bases);
    else {
      for (const { key, repoRoot } of bases) {
        await context.print(`${key.slice(0, 12)}: ${outcome} (${repoRoot})`);
      }
    }
    return 0;
  },
});
