import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm stop` */
export const vmStop = lifecycleCommand({
  verb: 'stop',
  summary: 'stop running VMs',
  description:
    'Asks the guest to write its data and power off. Files stay, and a stopped VM can be started again. A healthy guest stops within 2 seconds. A guest that is still writing to a slow disk gets as long as it needs; Ctrl-C kills it. A guest that hangs is killed after a while and loses its unwritten data: the command says so and exits with 1, and with --json the entry has "synced": false and the reason.',
  examples: [{ command: 'banger vm stop web', does: 'Stops one VM.' }],
  outcome: ({ state, ending }) => (ending?.synced === false ? 'killed' : state),
  work: (client, ref, signal) => client.stopVm(ref, { signal }),
  isKilledByInterrupt: true,
  mustSync: true,
});
