import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { PULL_OPTIONS } from './options.ts';

/** `banger vm workspace pull` */
export const vmWorkspacePull = defineCommand({
  path: ['vm', 'workspace', 'pull'],
  summary: 'merge the changes in a VM into your working tree',
  description: [
    'Merges what the VM has changed since the working tree was last copied to it, or last pulled from it, into the working tree that it was copied from. What you have changed there meanwhile stays. The command first shows what it would change, and asks; with --apply it does not ask. Your index, branches and commits stay as they are.',
    '',
    'Either all files are changed or none, also when banger is killed meanwhile. If both sides have changed the same lines, all those files are listed and nothing is changed; with --conflicts markers, both versions are written into text files, as git merge does, and the exit status is 1. --undo takes the last pull back.',
    '',
    'With --hunks, you choose: each hunk is shown and asked about, as git add -p does. What you leave out stays in the VM, and the next pull shows it again. Ctrl-C changes nothing.',
    '',
    'Some files of a VM are never written: outside the working tree or through links, with names that stand for .git or that differ from another name only in case, links that lead outside, and files that git on this host would run, such as hooks in the folder of core.hooksPath.',
    '',
    'With --branch, the commits that were made in the VM become a branch of your repository, and your working tree stays as it is.',
  ].join('\n'),
  examples: [
    { command: 'banger vm workspace pull web', does: 'Shows the changes, asks, and merges them.' },
    { command: 'banger vm workspace pull web --hunks', does: 'Asks about each hunk, and merges the chosen.' },
    { command: 'banger vm workspace pull web --dry-run', does: 'Only shows what would be changed.' },
    { command: 'banger vm workspace pull web --apply', does: 'Merges without a question.' },
    { command: 'banger vm workspace pull web --undo', does: 'Takes the last pull back.' },
    { command: 'banger vm workspace pull web --branch from-web', does: 'Makes a branch of the commits.' },
  ],
  args: [ONE_VM],
  options: PULL_OPTIONS,
  async run(invocation, context) {
    const { pullFromVm } = await import('./pull-from-vm.ts');
    return await pullFromVm(invocation, context);
  },
});
