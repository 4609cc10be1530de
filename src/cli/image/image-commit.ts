import {
  checkPlainImageName,
  formatImageRef,
  parseImageRef,
  saysWhereItIs,
} from '../../protocol/image/image-ref.ts';
import { defineCommand } from '../program/command.ts';
import { followImage } from './follow-image.ts';

/** `banger image commit` */
export const imageCommit = defineCommand({
  path: ['image', 'commit'],
  summary: 'make an image of a VM',
  description: [
    "Makes an image of a VM's root file system as it is now: what you have installed and changed there. The VM may be stopped, suspended or running; a running one writes its data to its drives first, is paused for a moment, and runs on.",
    '',
    "The VM's home, /root, is on its work disk and not part of the image. What belongs to this VM alone is left out: its name, machine id and ssh host keys, the files of [[file_sync]], proxies and certificates of this host, and what is in /run and /tmp.",
    '',
    'The image is one layer on top of those of the image that the VM was made from. If that has no layers, like the built-in image, it is one layer with everything.',
  ].join('\n'),
  examples: [
    {
      command: 'banger image commit web tools',
      does: 'Makes the image tools; banger vm run --image tools boots it.',
    },
    {
      command: 'banger image commit web localhost:5000/tools:1',
      does: 'Makes an image for a registry; banger image push sends it there.',
    },
  ],
  args: [
    { name: 'vm', summary: "the VM's name or id", isRequired: true, kind: 'vm' },
    { name: 'image', summary: "the new image's name", isRequired: true, kind: 'other' },
  ],
  options: {
    force: { type: 'flag', short: 'f', summary: 'make it even if another image has its name' },
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print the image as JSON' },
  },
  async run({ args: [vm = '', given = ''], options }, context) {
    const name = saysWhereItIs(given) ? formatImageRef(parseImageRef(given)) : checkPlainImageName(given);
    const client = await context.client();
    const request = { vm, name, ...(options.force ? { force: true } : {}) };
    const work = client.commitImage(request, { signal: context.signal });
    return await followImage(work, { label: 'image commit', isJson: options.json, context });
  },
});
