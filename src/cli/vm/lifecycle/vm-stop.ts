import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm stop` */
export const vmStop = lifecycleCommand({
  verb: 'stop',
  summary: 'stop running VMs',
  description:
    'Asks the guest to write its data and power off. Files stay; a stopped VM can be started again. A guest that is well is stopped within 2 seconds; one that writes to a slow disk is waited for as long as it writes, and Ctrl-C kills it. A guest that hangs is killed in the end: what it had not written is lost then, the command says so, and its exit status is 1; with --json the entry has "synced": false and the reason.',
  examples: [{ command: 'banger vm stop web', does: 'Stops one VM.' }],
  outcome: ({ state, ending }) => (ending?.synced === false ? 'killed' : state),
  work: (client, ref, signal) => client.stopVm(ref, { signal }),
  isKilledByInterrupt: true,
  mustSync: true,
});
