import { defineCommand } from '../../program/command.ts';
import { EXPORT_OPTIONS, PREPARE_OPTIONS } from './options.ts';

const VM_ARGUMENT = {
  name: 'vm',
  summary: "the VM's name, id, or unique start of its id",
  isRequired: true,
  kind: 'vm',
} as const;

/** `banger vm workspace prepare` */
export const vmWorkspacePrepare = defineCommand({
  path: ['vm', 'workspace', 'prepare'],
  summary: 'copy a git working tree into a running VM',
  description: [
    'Copies the git working tree at <path>, by default the one that you are in, into a running VM, as banger vm run does: tracked files as they are now, and enough history for git to work.',
    '',
    'Files of an earlier copy are replaced; what the guest has besides stays.',
  ].join('\n'),
  examples: [
    {
      command: 'banger vm workspace prepare web',
      does: 'Copies the working tree of the current folder to /root/repo.',
    },
    { command: 'banger vm workspace prepare web ./repo --branch fix', does: 'Begins a branch in the guest.' },
    { command: 'banger vm workspace prepare web --dry-run', does: 'Which files would be copied.' },
  ],
  args: [
    VM_ARGUMENT,
    { name: 'path', summary: 'a folder in a git working tree', isRequired: false, kind: 'folder' },
  ],
  options: PREPARE_OPTIONS,
  async run(invocation, context) {
    const { prepareInVm } = await import('./prepare-in-vm.ts');
    return await prepareInVm(invocation, context);
  },
});

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
  args: [VM_ARGUMENT],
  options: EXPORT_OPTIONS,
  async run(invocation, context) {
    const { exportFromVm } = await import('./export-from-vm.ts');
    return await exportFromVm(invocation, context);
  },
});
