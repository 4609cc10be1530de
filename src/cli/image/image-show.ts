import { defineCommand } from '../program/command.ts';

/** `banger image show` */
export const imageShow = defineCommand({
  path: ['image', 'show'],
  summary: 'print an image as JSON',
  description: 'Prints what is known about an image, and which VMs use it.',
  examples: [{ command: 'banger image show debian-bookworm', does: 'The default image.' }],
  args: [{ name: 'image', summary: "the image's name", isRequired: true, kind: 'image' }],
  options: { json: { type: 'flag', summary: 'print JSON (always the case)' } },
  async run({ args: [name = ''] }, context) {
    await context.printJson(await (await context.client()).showImage(name, { signal: context.signal }));
    return 0;
  },
});
