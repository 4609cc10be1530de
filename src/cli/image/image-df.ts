import { defineCommand } from '../program/command.ts';

/** `banger image df` */
export const imageDf = defineCommand({
  path: ['image', 'df'],
  summary: 'show what images take on disk',
  description: [
    'Shows for each image what it takes on disk, with the downloads that it was made of.',
    '',
    'UNIQUE goes when the image is deleted. SHARED stays: other images have the same layers, the image has another name, or VMs use it.',
  ].join('\n'),
  examples: [{ command: 'banger image df', does: 'Shows where the space is.' }],
  args: [],
  options: { json: { type: 'flag', summary: 'print the sizes as JSON' } },
  async run({ options }, context) {
    const usage = await (await context.client()).imageDiskUsage({ signal: context.signal });
    if (options.json) await context.printJson(usage);
    else {
      const { diskUsageText } = await import('./render-images.ts');
      await context.print(diskUsageText(usage, context.stdout.columns));
    }
    return 0;
  },
});
