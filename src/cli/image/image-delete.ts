import { defineCommand } from '../program/command.ts';

/** `banger image delete` */
export const imageDelete = defineCommand({
  path: ['image', 'delete'],
  summary: 'delete an image',
  description:
    'Deletes an image from this host, and the downloads that no other image needs. Refuses an image that a VM uses, unless --force is given: such a VM then keeps the files of its image until it is deleted.',
  examples: [
    {
      command: 'banger image delete debian-bookworm',
      does: 'Deletes the default image; banger image build builds it again.',
    },
  ],
  args: [{ name: 'image', summary: "the image's name", isRequired: true, kind: 'image' }],
  options: {
    force: { type: 'flag', short: 'f', summary: 'delete the image even if VMs use it' },
    json: { type: 'flag', summary: 'print what was deleted as JSON' },
  },
  async run({ args: [name = ''], options }, context) {
    await (await context.client()).deleteImage(name, {
      isForced: options.force,
      signal: context.signal,
    });
    if (options.json) await context.printJson({ name, outcome: 'deleted' });
    else await context.print(`${name}: deleted`);
    return 0;
  },
});
