import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import { defineCommand } from '../program/command.ts';

/** `banger image prune` */
export const imagePrune = defineCommand({
  path: ['image', 'prune'],
  summary: 'delete what no image and no VM needs',
  description:
    'Deletes images that have lost their name to a newer one and that no VM uses, kernels that none needs, initrds that other versions of banger have made, and downloads: layers that no image was made of, and what interrupted downloads have left. The daemon also does this when an image is deleted, and now and then; it then keeps downloads of the last week.',
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
      const { imageCount, blobCount, kernelCount = 0, initrdCount = 0, freedBytes } = pruned;
      const images = `${plural(imageCount, 'image')}, ${plural(kernelCount, 'kernel')}`;
      const what = `${images}, ${plural(initrdCount, 'initrd')}, ${plural(blobCount, 'blob')}`;
      const verb = options.dryRun ? 'would free' : 'freed';
      await context.print(`${verb} ${formatSize(freedBytes)}: ${what}`);
    }
    return 0;
  },
});
