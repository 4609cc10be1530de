import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm resume` */
export const vmResume = lifecycleCommand({
  verb: 'resume',
  summary: 'resume suspended VMs',
  description:
    'Resumes suspended VMs where they were suspended. banger vm start does the same, and also boots stopped VMs.',
  examples: [{ command: 'banger vm resume web', does: 'Resumes one VM where it was.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.startVm(ref, { onlyResume: true, signal }),
});
