import { AppError } from '../../base/errors.ts';
import { defineCommand } from '../command.ts';

/** `banger vm cp` */
export const vmCp = defineCommand({
  path: ['vm', 'cp'],
  summary: 'copy files to or from a running VM',
  description: [
    'Copies a file, or a directory with all that is in it, between this host and a running VM. One of the two paths is in a VM and written VM:/PATH; a host path with a colon in its name is written ./a:b.',
    '',
    'As with docker cp: into a directory that exists, the copy gets the name of its source; else the path is the copy itself, and its parent must exist. A source directory that ends in /. means its content. A link that is named itself is followed, links in a directory stay links.',
    '',
    'A single - stands for a tar archive on stdin, which is unpacked in a directory of the VM, or on stdout.',
    '',
    'In the VM, files belong to root; on the host, to you, without setuid and setgid. Modes and times are kept. Sockets and devices are left out, on the way to the host named pipes too. What was copied before a failure stays; a single file is whole or not there.',
  ].join('\n'),
  examples: [
    { command: 'banger vm cp ./data.csv web:/root/', does: 'A file into a directory of the VM.' },
    { command: 'banger vm cp web:/var/log ./logs', does: 'A directory out of it.' },
    {
      command: 'banger vm cp ./site/. web:/srv',
      does: 'What is in a directory, without the directory itself.',
    },
    { command: 'tar c src | banger vm cp - web:/root', does: 'An archive into the VM.' },
    { command: 'banger vm cp web:/etc - | tar t', does: 'And out of it.' },
  ],
  args: [
    { name: 'source', summary: 'a path of this host, VM:/PATH, or -', isRequired: true, kind: 'other' },
    { name: 'target', summary: 'the same, on the other side', isRequired: true, kind: 'other' },
  ],
  options: { json: { type: 'flag', summary: 'print what was copied as JSON' } },
  async run({ args: [source = '', target = ''], options }, context) {
    const { copyPlaces } = await import('../vm-cp/place.ts');
    const places = copyPlaces([source, target]);
    if (options.json && places.to.kind === 'stream') {
      throw new AppError('USAGE_OPTIONS', 'Cannot use --json: stdout is for the archive', {
        hint: 'leave out --json',
        details: { field: 'json' },
      });
    }
    const { copy } = await import('../vm-cp/copy.ts');
    const report = await copy(places, { client: await context.client(), context });
    if (!report) return 0;
    if (options.json) await context.printJson(report);
    else {
      const { formatSize } = await import('../../base/size.ts');
      const skipped = report.skipped > 0 ? `; ${report.skipped} sockets, devices or pipes were left out` : '';
      context.notice(`copied ${report.entries} entries, ${formatSize(report.bytes)}${skipped}`);
    }
    return 0;
  },
});
