import { resolve } from 'node:path';
import { checkPlainImageName } from '../../protocol/image/image-ref.ts';
import { defineCommand } from '../program/command.ts';
import { followImage, imageChoice, NEW_IMAGE_OPTIONS, nameOption } from './follow-image.ts';

/** `banger image register` */
export const imageRegister = defineCommand({
  path: ['image', 'register'],
  summary: 'use an ext4 file of yours as an image',
  description:
    'Makes an image of a file with an ext4 file system, without copying it. VMs read the file and never write to it. It must stay where it is and as it is: once it has changed, its VMs do not start.',
  examples: [
    {
      command: 'banger image register ./rootfs.ext4 --name own',
      does: 'VMs of the image own boot from that file.',
    },
  ],
  args: [{ name: 'file', summary: 'a file with an ext4 file system', isRequired: true, kind: 'file' }],
  options: {
    name: nameOption("the file's name without its ending"),
    ...NEW_IMAGE_OPTIONS,
  },
  async run({ args: [file = ''], options }, context) {
    const { nameOfFile } = await import('./import-source.ts');
    const path = resolve(context.io.cwd, file);
    const name = checkPlainImageName(options.name ?? nameOfFile(path));
    const request = { path, name, ...imageChoice(options) };
    const client = await context.client();
    const work = client.registerImage(request, { signal: context.signal });
    return await followImage(work, { label: 'image register', isJson: options.json, context });
  },
});
