import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { EXPORT_OPTIONS } from './options.ts';

/** `banger vm workspace export` */
export const vmWorkspaceExport = defineCommand({
  path: ['vm', 'workspace', 'export'],
  summary: 'print the changes in a VM as a patch',
  description: [
    "Prints the changes in the VM's repository as a patch for git apply: edits, deletions and new files that git does not ignore. The guest's index, branches and files do not change.",
    '',
    "Without --base-commit the patch is based on the guest's HEAD and leaves out commits made in the guest. To include them, give the commit at which the working tree was copied (head commit in banger vm show).",
  ].join('\n'),
  examples: [
    {
      command: 'banger vm workspace export web | git apply',
      does: 'Applies the changes to your working tree.',
    },
    { command: 'banger vm workspace export web --output web.patch', does: 'Writes them to a file.' },
    {
      command: 'banger vm workspace export web --base-commit "$(git rev-parse HEAD)" | git apply',
      does: 'Includes the commits that were made in the VM.',
    },
  ],
  args: [ONE_VM],
  options: EXPORT_OPTIONS,
  async run(invocation, context) {
    const { exportFromVm } = await import('./export-from-vm.ts');
    return await exportFromVm(invocation, context);
  },
});
