import { defineCommand } from '../program/command.ts';

/** `banger image delete` */
export const imageDelete = defineCommand({
  path: ['image', 'delete'],
  summary: 'delete an image',
  description: 'Deletes an image from this host. Refuses an image that a VM uses.',
  examples: [
    {
      command: 'banger image delete debian-bookworm',
      does: 'Deletes the default image; banger image build builds it again.',
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
