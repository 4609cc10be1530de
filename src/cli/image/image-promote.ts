import { defineCommand } from '../program/command.ts';
import { followImage } from './follow-image.ts';

/** `banger image promote` */
export const imagePromote = defineCommand({
  path: ['image', 'promote'],
  summary: 'copy the file of a registered image into the store',
  description:
    'Copies the ext4 file of an image that was made with banger image register into the store, so that new VMs no longer need your file. VMs that were made before still read it: keep it until they are deleted. Does nothing for other images.',
  examples: [
    { command: 'banger image promote own', does: 'From now on, VMs of the image own need no file of yours.' },
  ],
  args: [{ name: 'image', summary: "the image's name", isRequired: true, kind: 'image' }],
  options: {
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print the image as JSON' },
  },
  async run({ args: [name = ''], options }, context) {
    const client = await context.client();
    const work = client.promoteImage(name, { signal: context.signal });
    return await followImage(work, { label: 'image promote', isJson: options.json, context });
  },
});
