import { defineCommand } from '../program/command.ts';
import { followImage, imageChoice, NEW_IMAGE_OPTIONS, nameOption } from './follow-image.ts';

/** `banger image build` */
export const imageBuild = defineCommand({
  path: ['image', 'build'],
  summary: 'build an image of a Dockerfile, or the default image',
  description: [
    "Without --file, builds an image from its distribution's packages, with the kernel it boots. Does nothing if the image exists, unless --force is given. An interrupted build leaves nothing behind; two builds of one image at the same time share the work.",
    '',
    'With --file, or with a folder (. or a path with a slash), builds a Dockerfile with the files of that folder. Every step runs in a VM that banger keeps for that, without a network unless --nat is given. Images that it begins with are pulled to this host first. Steps that an earlier build has run are taken from its cache.',
  ].join('\n'),
  examples: [
    { command: 'banger image build', does: 'Builds the default image; needed once per host.' },
    { command: 'banger image build --force -v', does: 'Builds it again, with a line for each step.' },
    {
      command: 'banger image build --nat --name app .',
      does: 'Builds the image app of ./Dockerfile; its steps may download things.',
    },
    {
      command: 'banger image build -f ci/Dockerfile --secret id=token,src=token.txt ./repo',
      does: 'Builds with a secret, for RUN --mount=type=secret,id=token.',
    },
  ],
  args: [
    {
      name: 'image',
      summary: 'the image to build, or the folder of a Dockerfile; the default image when absent',
      isRequired: false,
      kind: 'image',
    },
  ],
  options: {
    file: {
      type: 'value',
      short: 'f',
      value: 'dockerfile',
      kind: 'file',
      summary: 'the Dockerfile; the folder is then the current one unless given',
      defaultText: () => 'Dockerfile in the folder',
    },
    name: nameOption("the folder's name"),
    buildArg: {
      type: 'list',
      value: 'name=value',
      summary: 'value of an ARG; without =, from the environment',
    },
    target: { type: 'value', value: 'stage', summary: 'the last stage to build' },
    secret: {
      type: 'list',
      value: 'id=name,src=file',
      summary: 'a file that steps may read; it is in no layer and on no disk of the VM',
    },
    nat: { type: 'flag', summary: 'let the steps open connections to the outside' },
    noCache: { type: 'flag', summary: 'run every step again' },
    ...NEW_IMAGE_OPTIONS,
  },
  async run({ args: [given], options }, context) {
    const { buildRequest, meansDockerfile, requireDockerfile } = await import('./build-request.ts');
    if (meansDockerfile(given, options)) {
      const request = { ...buildRequest(given, options, context.io), ...imageChoice(options) };
      const client = await context.client();
      const work = client.buildDockerfile(request, { signal: context.signal });
      return await followImage(work, { label: 'image build', isJson: options.json, context });
    }
    requireDockerfile(options);
    const name = given ?? (await context.settings()).defaultImage;
    const client = await context.client();
    const work = client.buildImage(name, imageChoice(options), { signal: context.signal });
    return await followImage(work, { label: 'image build', isJson: options.json, context });
  },
});
