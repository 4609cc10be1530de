import { defineCommand } from '../program/command.ts';
import { PLATFORM_OPTION } from '../vm/platform-option.ts';
import { imageChoice } from './follow-image.ts';

/** `banger image build` */
export const imageBuild = defineCommand({
  path: ['image', 'build'],
  summary: 'build an image and its kernel',
  description:
    "Builds an image from its distribution's packages, with the kernel it boots. Does nothing if the image exists, unless --force is given. An interrupted build leaves nothing behind; two builds of one image at the same time share the work.",
  examples: [
    { command: 'banger image build', does: 'Builds the default image; needed once per host.' },
    { command: 'banger image build --force -v', does: 'Builds it again, with a line for each step.' },
  ],
  args: [
    {
      name: 'image',
      summary: 'the image to build; the default image when absent',
      isRequired: false,
      kind: 'image',
    },
  ],
  options: {
    ...PLATFORM_OPTION,
    force: { type: 'flag', summary: 'build the image even if it exists' },
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print the image as JSON' },
  },
  async run({ args: [given], options }, context) {
    const name = given ?? context.settings().defaultImage;
    const begunAt = performance.now();
    const client = await context.client();
    const work = client.buildImage(name, imageChoice(options), { signal: context.signal });
    const image = await context.follow(work, 'image build');
    const { formatElapsed } = await import('../render/format.ts');
    context.progress.done(
      `[image build] ready in ${context.errorStyle.dim(formatElapsed(performance.now() - begunAt))}`,
    );
    if (options.json) await context.printJson(image);
    else await context.print(image.name);
    return 0;
  },
});
