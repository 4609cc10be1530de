import { defineCommand } from '../program/command.ts';

/** `banger image list` */
export const imageList = defineCommand({
  path: ['image', 'list'],
  summary: 'list images',
  description: 'Lists the images that VMs can boot.',
  examples: [{ command: 'banger image list', does: 'The images of this host.' }],
  args: [],
  options: {
    all: { type: 'flag', short: 'a', summary: 'also images that only banger itself uses' },
    available: { type: 'flag', summary: 'the images that the catalogs of the config file offer' },
    json: { type: 'flag', summary: 'print the images as a JSON array' },
  },
  async run({ options }, context) {
    if (options.available) {
      const [{ fetchCatalogs }, { availableImages, availableTable }] = await Promise.all([
        import('./catalog/fetch-catalogs.ts'),
        import('./catalog/offered.ts'),
      ]);
      const offered = await fetchCatalogs(context);
      const here = await (await context.client()).listImages({ signal: context.signal });
      const available = availableImages(offered, here, context.paths());
      if (options.json) await context.printJson(available);
      else await context.print(availableTable(available, context.stdout.columns));
      return 0;
    }
    const images = await (await context.client()).listImages({
      signal: context.signal,
      isAll: options.all,
    });
    if (options.json) await context.printJson(images);
    else {
      const { imageTable } = await import('./render-images.ts');
      await context.print(imageTable(images, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});
