import { resolve } from 'node:path';
import { AppError } from '../../base/errors.ts';
import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import { defineCommand } from '../program/command.ts';
import { followWork } from './follow-image.ts';

/** `banger image export` */
export const imageExport = defineCommand({
  path: ['image', 'export'],
  summary: 'write an image to an archive',
  description: [
    'Writes an image to a file that container tools read: podman load, docker load, skopeo (oci-archive:FILE), and banger image import oci-archive:FILE.',
    '',
    'An image from a registry or an archive keeps its layers and its digest. Any other becomes one layer. The file appears only when it is whole, in place of one of the same name.',
  ].join('\n'),
  examples: [
    { command: 'banger image export -o tools.tar tools', does: 'Writes the image tools to tools.tar.' },
    {
      command: 'banger image export -o app.tar localhost:5000/app:1',
      does: 'Writes a pulled image; podman load -i app.tar brings it to Podman, under its name.',
    },
  ],
  args: [{ name: 'image', summary: "the image's name", isRequired: true, kind: 'image' }],
  options: {
    output: { type: 'value', short: 'o', value: 'file', kind: 'file', summary: 'the archive; needed' },
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print what was written as JSON' },
  },
  async run({ args: [name = ''], options }, context) {
    const path = resolve(context.io.cwd, outputOf(options.output));
    const client = await context.client();
    const work = client.exportImage(name, { path }, { signal: context.signal });
    return await followWork(work, {
      label: 'image export',
      isJson: options.json,
      context,
      text: ({ layers, sizeBytes }) => `${path}: ${plural(layers, 'layer')}, ${formatSize(sizeBytes)}`,
    });
  },
});

function outputOf(given: string | undefined): string {
  if (given) return given;
  const what = given === undefined ? 'Cannot export without --output' : 'Cannot use "" for --output';
  throw new AppError('USAGE_OPTION_VALUE', `${what}: an archive needs a file`, {
    hint: 'for example -o image.tar',
    details: { field: 'output' },
  });
}
