import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { EXPORT_OPTIONS } from './options.ts';

/** `banger vm workspace export` */
export const vmWorkspaceExport = defineCommand({
  path: ['vm', 'workspace', 'export'],
  summary: 'print the changes in a VM as a patch, or its commits',
  description: [
    "Prints what the VM has changed since the working tree was last copied to it, as a patch for git apply: commits, edits, deletions and new files that git does not ignore. What was edited on this host before the copy is not in it, so the patch applies to the working tree as it is here. The guest's index, branches and files stay as they are.",
    '',
    'With --base-commit the patch is based on that commit, and includes everything that differs from it.',
    '',
    'With --commits it prints the commits that were made in the VM since then, as a bundle that git fetch reads, or with --format am as patches for git am. Edits that were copied to the VM and committed there are in the commits; edits that are not committed are not.',
  ].join('\n'),
  examples: [
    {
      command: 'banger vm workspace export web | git apply',
      does: 'Applies the changes to your working tree.',
    },
    { command: 'banger vm workspace export web --output web.patch', does: 'Writes them to a file.' },
    {
      command: 'banger vm workspace export web --base-commit "$(git rev-parse HEAD)" -o web.patch',
      does: 'Includes uncommitted edits that were copied to the VM.',
    },
    {
      command: 'banger vm workspace export web --commits -o web.bundle && git fetch web.bundle HEAD:web',
      does: 'Makes a branch of the commits.',
    },
    {
      command: 'banger vm workspace export web --commits --format am | git am',
      does: 'Applies the commits to your branch.',
    },
  ],
  args: [ONE_VM],
  options: EXPORT_OPTIONS,
  async run(invocation, context) {
    const { exportFromVm } = await import('./export-from-vm.ts');
    return await exportFromVm(invocation, context);
  },
});
