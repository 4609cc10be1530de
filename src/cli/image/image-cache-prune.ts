import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import { defineCommand } from '../program/command.ts';

/** `banger image cache prune` */
export const imageCachePrune = defineCommand({
  path: ['image', 'cache', 'prune'],
  summary: 'delete downloads and initrds that nothing needs',
  description:
    'Deletes layers that no image was made of, what interrupted downloads have left, and initrds that other versions of banger have made. Images and kernels stay; banger image prune deletes those too that nothing needs.',
  examples: [
    { command: 'banger image cache prune', does: 'Frees the space.' },
    { command: 'banger image cache prune --dry-run', does: 'Prints how much that would be.' },
  ],
  args: [],
  options: {
    dryRun: { type: 'flag', summary: 'print what would be deleted, and delete nothing' },
    json: { type: 'flag', summary: 'print what was deleted as JSON' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const request = options.dryRun ? { dryRun: true } : {};
    const pruned = await client.pruneImageCache(request, { signal: context.signal });
    if (options.json) await context.printJson(pruned);
    else {
      const verb = options.dryRun ? 'would free' : 'freed';
      const { freedBytes, blobCount, initrdCount = 0 } = pruned;
      const what = `${plural(blobCount, 'blob')} and ${plural(initrdCount, 'initrd')}`;
      await context.print(`${verb} ${formatSize(freedBytes)} across ${what}`);
    }
    return 0;
  },
});
