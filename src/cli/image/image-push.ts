import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import type { PushedImage } from '../../protocol/api/image-outlet.ts';
import { formatImageRef, parseImageRef } from '../../protocol/image/image-ref.ts';
import { defineCommand } from '../program/command.ts';
import { followWork } from './follow-image.ts';

/** `banger image push` */
export const imagePush = defineCommand({
  path: ['image', 'push'],
  summary: 'send an image to a registry',
  description: [
    'Sends an image to a container registry: only the layers that are not there. If another image of that registry has a layer, the registry is asked to use it. Without <reference>, the image goes where its name says.',
    '',
    'An image from a registry or an archive keeps its layers and its digest. Any other becomes one layer. Credentials are those of podman login and docker login. Registries of this host need no TLS; others without TLS are set in the config file.',
  ].join('\n'),
  examples: [
    {
      command: 'banger image push tools registry.example/team/tools:1',
      does: 'Sends the image tools under that reference.',
    },
    { command: 'banger image push localhost:5000/app:1', does: 'Sends an image back to its own registry.' },
  ],
  args: [
    { name: 'image', summary: "the image's name on this host", isRequired: true, kind: 'image' },
    {
      name: 'reference',
      summary: "where it goes; the image's name when absent",
      isRequired: false,
      kind: 'other',
    },
  ],
  options: {
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print what was sent as JSON' },
  },
  async run({ args: [name = '', given], options }, context) {
    const request = given === undefined ? {} : { reference: formatImageRef(parseImageRef(given)) };
    const client = await context.client();
    const work = client.pushImage(name, request, { signal: context.signal });
    return await followWork(work, { label: 'image push', isJson: options.json, context, text: pushedText });
  },
});

function pushedText({ reference, digest, ...layers }: PushedImage): string {
  const { uploaded, mounted, present, uploadedBytes } = layers;
  const parts = [
    `${plural(uploaded, 'layer')} sent (${formatSize(uploadedBytes)})`,
    ...(mounted > 0 ? [`${mounted} taken from another image there`] : []),
    ...(present > 0 ? [`${present} there already`] : []),
  ];
  return `${reference}@${digest}: ${parts.join(', ')}`;
}
