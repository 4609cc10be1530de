import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm resume` */
export const vmResume = lifecycleCommand({
  verb: 'resume',
  summary: 'let suspended VMs go on',
  description:
    'Brings suspended VMs back as they were. banger vm start does so too, and also boots stopped ones.',
  examples: [{ command: 'banger vm resume web', does: 'One VM goes on where it was.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.startVm(ref, { onlyResume: true, signal }),
});
