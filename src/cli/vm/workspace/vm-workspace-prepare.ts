import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { PREPARE_OPTIONS } from './options.ts';

/** `banger vm workspace prepare` */
export const vmWorkspacePrepare = defineCommand({
  path: ['vm', 'workspace', 'prepare'],
  summary: 'copy a git working tree into a running VM',
  description: [
    'Copies the git working tree at <path>, by default the one you are in, into a running VM, as banger vm run does: tracked files in their current state, and enough history for git to work.',
    '',
    'Files of an earlier copy are replaced; other files in the guest stay.',
  ].join('\n'),
  examples: [
    {
      command: 'banger vm workspace prepare web',
      does: 'Copies the working tree of the current folder to /root/repo.',
    },
    {
      command: 'banger vm workspace prepare web ./repo --branch fix',
      does: 'Also creates a branch in the guest.',
    },
    { command: 'banger vm workspace prepare web --dry-run', does: 'Prints which files would be copied.' },
  ],
  args: [
    ONE_VM,
    { name: 'path', summary: 'a folder in a git working tree', isRequired: false, kind: 'folder' },
  ],
  options: PREPARE_OPTIONS,
  async run(invocation, context) {
    const { prepareInVm } = await import('./prepare-in-vm.ts');
    return await prepareInVm(invocation, context);
  },
});
