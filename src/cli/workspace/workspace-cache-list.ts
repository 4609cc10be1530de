import { defineCommand } from '../program/command.ts';

/** `banger workspace cache list` */
export const workspaceCacheList = defineCommand({
  path: ['workspace', 'cache', 'list'],
  summary: 'list base images of repositories',
  description:
    'Lists the work disks with a repository in them from which new VMs start, so that only what has changed since is copied. Each is made when a VM first gets that repository.',
  examples: [
    { command: 'banger workspace cache list', does: 'The base images, the most recently used first.' },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print the base images as a JSON array' } },
  async run({ options }, context) {
    const bases = await (await context.client()).listWorkspaceBases({ signal: context.signal });
    if (options.json) await context.printJson(bases);
    else {
      const { baseTable } = await import('./render-bases.ts');
      await context.print(baseTable(bases, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});
