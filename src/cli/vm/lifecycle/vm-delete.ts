import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm delete` */
export const vmDelete = lifecycleCommand({
  verb: 'delete',
  summary: 'delete VMs and all that is in them',
  description: 'Stops VMs and removes their disks. This cannot be undone.',
  examples: [
    { command: 'banger vm delete web', does: 'Deletes one VM.' },
    { command: 'banger vm delete $(banger vm list --all -q)', does: 'Deletes every VM.' },
  ],
  outcome: () => 'deleted',
  work: (client, ref, signal) => client.deleteVm(ref, { signal }),
});
