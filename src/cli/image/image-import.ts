import { checkPlainImageName } from '../../protocol/image/image-ref.ts';
import { defineCommand } from '../program/command.ts';
import { followImage, imageChoice, NEW_IMAGE_OPTIONS, nameOption } from './follow-image.ts';

/** `banger image import` */
export const imageImport = defineCommand({
  path: ['image', 'import'],
  summary: 'make an image of an archive or a folder of this host',
  description: [
    'Makes an image of something on this host. <source> is a path, with what it is before it:',
    '',
    'oci:FOLDER, an image layout; oci-archive:FILE, a tar of one; docker-archive:FILE, what docker save and podman save write; rootfs:FILE, a tar of a root file system, which may be compressed with gzip or zstd; dir:FOLDER, a root file system. A folder needs no word before it.',
  ].join('\n'),
  examples: [
    {
      command: 'banger image import docker-archive:app.tar',
      does: 'Makes the image app of docker save -o app.tar.',
    },
    { command: 'banger image import --name tiny ./rootfs', does: 'Makes an image of the files in a folder.' },
  ],
  args: [{ name: 'source', summary: 'what to import', isRequired: true, kind: 'file' }],
  options: {
    name: nameOption("the file's name without its ending"),
    ...NEW_IMAGE_OPTIONS,
  },
  async run({ args: [source = ''], options }, context) {
    const { importSource } = await import('./import-source.ts');
    const { format, path, name: ofFile } = importSource(source, context.io.cwd);
    const name = checkPlainImageName(options.name ?? ofFile);
    const request = { path, format, name, ...imageChoice(options) };
    const client = await context.client();
    const work = client.importImage(request, { signal: context.signal });
    return await followImage(work, { label: 'image import', isJson: options.json, context });
  },
});
