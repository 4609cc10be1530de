import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import { defineCommand } from '../program/command.ts';

/** `banger image prune` */
export const imagePrune = defineCommand({
  path: ['image', 'prune'],
  summary: 'delete what no image and no VM needs',
  description:
    'Deletes images that have lost their name to a newer one and that no VM uses, kernels that none needs, and downloads: layers that no image was made of, and what interrupted downloads have left. The daemon also does this when an image is deleted.',
  examples: [
    { command: 'banger image prune', does: 'Frees the space.' },
    { command: 'banger image prune --dry-run', does: 'Prints how much that would be.' },
  ],
  args: [],
  options: {
    dryRun: { type: 'flag', summary: 'print what would be deleted, and delete nothing' },
    json: { type: 'flag', summary: 'print what was deleted as JSON' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const request = options.dryRun ? { dryRun: true } : {};
    const pruned = await client.pruneImages(request, { signal: context.signal });
    if (options.json) await context.printJson(pruned);
    else {
      const { imageCount, blobCount, freedBytes } = pruned;
      const what = `${plural(imageCount, 'image')} and ${plural(blobCount, 'blob')}`;
      const verb = options.dryRun ? 'would free' : 'freed';
      await context.print(`${verb} ${formatSize(freedBytes)}: ${what}`);
    }
    return 0;
  },
});
