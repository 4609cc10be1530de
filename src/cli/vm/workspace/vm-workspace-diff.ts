import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { DIFF_OPTIONS } from './options.ts';

/** `banger vm workspace diff` */
export const vmWorkspaceDiff = defineCommand({
  path: ['vm', 'workspace', 'diff'],
  summary: 'show what was changed in a VM',
  description: [
    'Shows what the VM has changed since the working tree was last copied to it: commits, edits, deletions and new files that git does not ignore. With paths, only what was changed there; paths start at the top of the repository, and may be patterns such as "*.ts".',
    '',
    'On a terminal the diff has colours, and control characters of the guest are visible. Otherwise it is a patch for git apply. The guest does not change, and its changes do not count as exported.',
  ].join('\n'),
  examples: [
    { command: 'banger vm workspace diff web', does: 'All changes.' },
    { command: 'banger vm workspace diff web --stat', does: 'How many lines of each file.' },
    {
      command: 'banger vm workspace diff web src | git apply',
      does: 'Applies the changes in the folder src to your working tree.',
    },
  ],
  args: [
    ONE_VM,
    {
      name: 'path',
      summary: 'files, folders or patterns in the repository',
      isRequired: false,
      isVariadic: true,
      kind: 'file',
    },
  ],
  options: DIFF_OPTIONS,
  async run(invocation, context) {
    const { diffOfVm } = await import('./diff-of-vm.ts');
    return await diffOfVm(invocation, context);
  },
});
