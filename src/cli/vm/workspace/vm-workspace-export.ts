import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { EXPORT_OPTIONS } from './options.ts';

/** `banger vm workspace export` */
export const vmWorkspaceExport = defineCommand({
  path: ['vm', 'workspace', 'export'],
  summary: 'print the changes in a VM as a patch',
  description: [
    "Prints what has changed in the VM's repository as a patch for git apply: edits, deletions and new files that git does not ignore. The guest's index, branches and files stay as they are.",
    '',
    'Without --base-commit the patch begins at the HEAD of the guest, so that commits made there are not in it; with the commit that the working tree was copied at (head commit of banger vm show) they are.',
  ].join('\n'),
  examples: [
    { command: 'banger vm workspace export web | git apply', does: 'Takes the changes over.' },
    { command: 'banger vm workspace export web --output web.patch', does: 'Writes them to a file.' },
    {
      command: 'banger vm workspace export web --base-commit "$(git rev-parse HEAD)" | git apply',
      does: 'With the commits that were made in the VM.',
    },
  ],
  args: [ONE_VM],
  options: EXPORT_OPTIONS,
  async run(invocation, context) {
    const { exportFromVm } = await import('./export-from-vm.ts');
    return await exportFromVm(invocation, context);
  },
});
