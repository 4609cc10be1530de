import { defineCommand } from '../program/command.ts';

/** `banger kernel list` */
export const kernelList = defineCommand({
  path: ['kernel', 'list'],
  summary: 'list kernels',
  description: 'Lists the kernels that images boot. Building an image brings its kernel.',
  examples: [{ command: 'banger kernel list', does: 'The kernels of this host.' }],
  args: [],
  options: { json: { type: 'flag', summary: 'print the kernels as a JSON array' } },
  async run({ options }, context) {
    const kernels = await (await context.client()).listKernels({ signal: context.signal });
    if (options.json) await context.printJson(kernels);
    else {
      const { kernelTable } = await import('../image/render-images.ts');
      await context.print(kernelTable(kernels, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});
