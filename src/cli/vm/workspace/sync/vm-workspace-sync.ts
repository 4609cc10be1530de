import { defineCommand } from '../../../program/command.ts';
import { ONE_VM } from '../../one-vm.ts';
import { SYNC_OPTIONS } from '../options.ts';

/** `banger vm workspace sync` */
export const vmWorkspaceSync = defineCommand({
  path: ['vm', 'workspace', 'sync'],
  summary: 'copy edits on this host into a VM, as they are saved with --watch',
  description: [
    'Copies what has changed in the working tree since it was last copied into the VM, in the same way and to the same place. With --watch, it runs until Ctrl-C, and copies each edit when it is saved. Programs in the guest that watch files see it.',
    '',
    'Changes go one way. If the VM has changed a file that has also changed here, or has commits of its own, nothing is overwritten: the paths are reported, and nothing is copied until you take the changes over with banger vm workspace pull, or overwrite them with banger vm workspace prepare --discard-guest.',
    '',
    'While the VM is suspended, --watch waits. It ends when the VM is stopped or deleted.',
  ].join('\n'),
  examples: [
    { command: 'banger vm workspace sync web', does: 'Copies what has changed, once.' },
    { command: 'banger vm workspace sync web --watch', does: 'Copies each edit when it is saved.' },
  ],
  args: [ONE_VM],
  options: SYNC_OPTIONS,
  async run(invocation, context) {
    const { syncWorkspace } = await import('./sync-workspace.ts');
    return await syncWorkspace(invocation, context);
  },
});
