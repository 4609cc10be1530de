import { defineCommand } from '../program/command.ts';

/** `banger internal make-bundle` */
export const makeBundle = defineCommand({
  path: ['internal', 'make-bundle'],
  summary: 'make a bundle of an image for a catalog',
  description: [
    'Writes NAME-ARCH-HASH.tar.zst, an OCI archive compressed with zstd, and prints its path, its SHA-256 and its size. With --catalog, also adds the image to that catalog, in place of the one with the same name and architecture.',
    '',
    'banger uses a catalog only if the signatures beside it are valid: after every change, sign it with the key of your releases (docs/images.md).',
  ].join('\n'),
  examples: [
    {
      command: 'banger internal make-bundle --catalog out/catalog.json --out out tools',
      does: 'Makes a bundle of the image tools, and adds it to a catalog.',
    },
    {
      command: 'banger internal make-bundle --rootfs-tar root.tar.zst --out out base',
      does: 'Makes the image base of a tar of a root file system, and a bundle of that.',
    },
  ],
  args: [{ name: 'name', summary: 'name of the image', isRequired: true, kind: 'image' }],
  options: {
    rootfsTar: {
      type: 'value',
      value: 'file',
      kind: 'file',
      summary: 'first make the image of this tar of a root file system',
    },
    out: { type: 'value', value: 'folder', kind: 'folder', summary: 'where the bundle goes' },
    catalog: { type: 'value', value: 'file', kind: 'file', summary: 'a catalog.json to add it to' },
    distro: { type: 'value', value: 'name', summary: 'its distribution' },
    description: { type: 'value', value: 'text', summary: 'a line about it' },
    json: { type: 'flag', summary: 'print its entry of a catalog as JSON' },
  },
  isHidden: true,
  async run({ args: [name = ''], options }, context) {
    const { writeBundle } = await import('./write-bundle.ts');
    const { path, entry } = await writeBundle({ name, ...options }, context);
    if (options.json) await context.printJson(entry);
    else await context.print(`${path}\n${entry.tarball_sha256}\n${entry.size}`);
    return 0;
  },
});
