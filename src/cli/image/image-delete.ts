import { defineCommand } from '../program/command.ts';

/** `banger image delete` */
export const imageDelete = defineCommand({
  path: ['image', 'delete'],
  summary: 'delete an image',
  description: 'Removes an image from this machine. An image that a VM uses is refused.',
  examples: [
    {
      command: 'banger image delete debian-bookworm',
      does: 'Deletes the default image; banger image build makes it again.',
    },
  ],
  args: [{ name: 'image', summary: "the image's name", isRequired: true, kind: 'image' }],
  options: { json: { type: 'flag', summary: 'print what was deleted as JSON' } },
  async run({ args: [name = ''], options }, context) {
    await (await context.client()).deleteImage(name, { signal: context.signal });
    if (options.json) await context.printJson({ name, outcome: 'deleted' });
    else await context.print(`${name}: deleted`);
    return 0;
  },
});
