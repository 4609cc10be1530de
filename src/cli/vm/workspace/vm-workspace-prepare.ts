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
    'If the VM already has a copy, only what has changed on this host since then is sent. Files that only the VM has changed do not change.',
    '',
    'It fails, and changes nothing, if it would overwrite or delete what was changed in the VM since the last copy: files that have also changed here, or commits. Export the changes first with banger vm workspace export (exported changes may be overwritten), or give --discard-guest.',
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
    {
      command: 'banger vm workspace prepare web --discard-guest',
      does: 'Overwrites what was changed in the VM.',
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
