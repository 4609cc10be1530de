import { defineCommand } from '../program/command.ts';

/** `banger image build` */
export const imageBuild = defineCommand({
  path: ['image', 'build'],
  summary: 'build an image and its kernel',
  description:
    "Builds an image from its distribution's packages, with the kernel it boots. An image that exists is left as it is, unless --force is given. An interrupted build leaves nothing; two at once do the work once.",
  examples: [
    { command: 'banger image build', does: 'Builds the default image; needed once on a machine.' },
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
    force: { type: 'flag', summary: 'build it again although it exists' },
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print the image as JSON' },
  },
  async run({ args: [given], options }, context) {
    const name = given ?? context.settings().defaultImage;
    const begunAt = performance.now();
    const client = await context.client();
    const work = client.buildImage(name, options.force ? { force: true } : {}, { signal: context.signal });
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

/** `banger image list` */
export const imageList = defineCommand({
  path: ['image', 'list'],
  summary: 'list images',
  description: 'Lists the images that VMs can boot.',
  examples: [{ command: 'banger image list', does: 'The images of this machine.' }],
  args: [],
  options: { json: { type: 'flag', summary: 'print the images as a JSON array' } },
  async run({ options }, context) {
    const images = await (await context.client()).listImages({ signal: context.signal });
    if (options.json) await context.printJson(images);
    else {
      const { imageTable } = await import('./render-images.ts');
      await context.print(imageTable(images, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});

/** `banger image show` */
export const imageShow = defineCommand({
  path: ['image', 'show'],
  summary: 'print an image as JSON',
  description: 'Prints what is known of an image, and which VMs use it.',
  examples: [{ command: 'banger image show debian-bookworm', does: 'The default image.' }],
  args: [{ name: 'image', summary: "the image's name", isRequired: true, kind: 'image' }],
  options: { json: { type: 'flag', summary: 'as JSON, which is what it always prints' } },
  async run({ args: [name = ''] }, context) {
    await context.printJson(await (await context.client()).showImage(name, { signal: context.signal }));
    return 0;
  },
});

/** `banger image delete` */
export const imageDelete = defineCommand({
  path: ['image', 'delete'],
  summary: 'delete an image',
  description: 'Removes an image from this machine. An image that a VM uses is refused.',
  examples: [
    {
      command: 'banger image delete debian-bookworm',
      does: 'Deletes the default image; banger image build makes it again.',
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
