import {
  checkPlainImageName,
  formatImageRef,
  PLAIN_IMAGE_NAME,
  parseImageRef,
} from '../../protocol/image/image-ref.ts';
import { defineCommand } from '../program/command.ts';
import { followImage, imageChoice, NEW_IMAGE_OPTIONS, nameOption } from './follow-image.ts';

/** `banger image pull` */
export const imagePull = defineCommand({
  path: ['image', 'pull'],
  summary: 'make an image of one in a registry',
  description: [
    'Downloads an image from a container registry and makes a root file system of it. Its name is the whole reference, which banger vm run --image takes in any form; that also pulls an image that is not here yet.',
    '',
    'Asks the registry even if the image is here: when the tag has moved, the name gets the new image, and VMs keep the one that they were made from. Layers that other images have are not downloaded again. An interrupted download leaves no image, and the next one continues it. Credentials are those of podman login and docker login. Mirrors, and registries of this host without TLS, are set in the config file.',
    '',
    'A plain name that a catalog of the config file has is the image of that catalog (banger image list --available); its signature and its hash are checked.',
  ].join('\n'),
  examples: [
    { command: 'banger image pull alpine:3.20', does: 'Makes the image docker.io/library/alpine:3.20.' },
    {
      command: 'banger image pull --name tools localhost:5000/team/tools:1',
      does: 'From a registry of this host, under a name of its own.',
    },
  ],
  args: [{ name: 'reference', summary: 'as container tools write it', isRequired: true, kind: 'image' }],
  options: {
    name: nameOption('the whole reference'),
    ...NEW_IMAGE_OPTIONS,
  },
  async run({ args: [given = ''], options }, context) {
    if (PLAIN_IMAGE_NAME.test(given) && (await context.settings()).catalogs.length > 0) {
      const { pullOffered } = await import('./catalog/pull-offered.ts');
      const status = await pullOffered(given, options, context);
      if (status !== undefined) return status;
    }
    const reference = formatImageRef(parseImageRef(given));
    const named = options.name === undefined ? {} : { name: checkPlainImageName(options.name) };
    const request = { reference, ...named, ...imageChoice(options) };
    const client = await context.client();
    const work = client.pullImage(request, { signal: context.signal });
    return await followImage(work, { label: 'image pull', isJson: options.json, context });
  },
});
