import { AppError } from '../../../base/errors.ts';
import { formatSize, parseSize } from '../../../base/text/size.ts';
import { plural } from '../../../base/text/words.ts';
import { defineCommand } from '../../program/command.ts';
import { parseCount } from '../../program/count-option.ts';
import { DEFAULT_LIMITS } from './copy-limits.ts';
import { leftOutText } from './left-out.ts';

/** `banger vm cp` */
export const vmCp = defineCommand({
  path: ['vm', 'cp'],
  summary: 'copy files to or from a running VM',
  description: [
    'Copies a file, or a directory with everything in it, between this host and a running VM. One of the two paths is in a VM and is written VM:/PATH; a host path with a colon in its name is written ./a:b.',
    '',
    'The rules are those of docker cp: if the target is an existing directory, the copy goes into it under the name of its source; else the target is the path of the copy, and its parent must exist. A source directory that ends in /. means its content. A source that is a link is followed; links in a directory stay links.',
    '',
    'A single - stands for a tar archive: on stdin, to be unpacked in a directory of the VM, or on stdout.',
    '',
    'In the VM, files belong to its user, who is root unless it was made with --user; on the host, to you, without setuid and setgid. Modes and times are kept. Sockets and devices are left out; on the way to the host, named pipes too. Sparse files stay sparse. After a failure, what was copied so far stays. Each file is complete: an existing file is replaced only when its new content is complete.',
    '',
    'A guest can write a git repository that makes git start programs on this host as soon as a prompt or an editor asks it for the status. So a .git that is copied out of a VM keeps only harmless settings, and loses hooks and files that lead git to other folders. The command says what it left out; --all copies it too. What you start yourself in a copy (a Makefile, an .envrc that you allow) still comes from the guest. An archive on stdout is neither changed nor limited: check it before you unpack it.',
  ].join('\n'),
  examples: [
    { command: 'banger vm cp ./data.csv web:/root/', does: 'A file into a directory of the VM.' },
    { command: 'banger vm cp web:/var/log ./logs', does: 'A directory out of the VM.' },
    {
      command: 'banger vm cp ./site/. web:/srv',
      does: 'The content of a directory, without the directory itself.',
    },
    { command: 'tar c src | banger vm cp - web:/root', does: 'An archive into the VM.' },
    { command: 'banger vm cp web:/etc - | tar t', does: 'An archive out of the VM.' },
  ],
  args: [
    { name: 'source', summary: 'a path of this host, VM:/PATH, or -', isRequired: true, kind: 'copy' },
    { name: 'target', summary: 'the same, on the other side', isRequired: true, kind: 'copy' },
  ],
  options: {
    all: { type: 'flag', summary: 'out of a VM: also copy what git could run on this host' },
    maxSize: {
      type: 'value',
      value: 'SIZE',
      summary: 'out of a VM: the maximum number of bytes',
      defaultText: () => formatSize(DEFAULT_LIMITS.maxBytes),
    },
    maxEntries: {
      type: 'value',
      value: 'N',
      summary: 'out of a VM: the maximum number of files and directories',
      defaultText: () => String(DEFAULT_LIMITS.maxEntries),
    },
    json: { type: 'flag', summary: 'print what was copied as JSON' },
  },
  async run({ args: [source = '', target = ''], options }, context) {
    const { copyPlaces } = await import('./place.ts');
    const places = copyPlaces([source, target]);
    if (options.json && places.to.kind === 'stream') {
      throw new AppError('USAGE_OPTIONS', 'Cannot use --json: stdout is for the archive', {
        hint: 'leave out --json',
        details: { field: 'json' },
      });
    }
    const { copy } = await import('./copy.ts');
    const { maxSize, maxEntries, all } = options;
    const limits = {
      maxBytes: maxSize === undefined ? DEFAULT_LIMITS.maxBytes : parseSize(maxSize, '--max-size'),
      maxEntries:
        maxEntries === undefined
          ? DEFAULT_LIMITS.maxEntries
          : parseCount(maxEntries, { flag: '--max-entries', least: 1 }),
    };
    const choices = { limits, takesAll: all };
    const report = await copy(places, { client: await context.client(), context, choices });
    if (!report) return 0;
    if (options.json) await context.printJson(report);
    else {
      const skipped =
        report.skipped > 0
          ? `; left out: ${plural(report.skipped, 'socket, device or pipe', 'sockets, devices or pipes')}`
          : '';
      context.notice(
        `copied ${plural(report.entries, 'entry', 'entries')}, ${formatSize(report.bytes)}${skipped}`,
      );
    }
    if (report.leftOutCount > 0) context.notice(leftOutText(report));
    return 0;
  },
});
