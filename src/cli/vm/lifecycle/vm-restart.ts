import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm restart` */
export const vmRestart = lifecycleCommand({
  verb: 'restart',
  summary: 'stop VMs and start them again',
  description:
    'Stops VMs as banger vm stop does, and boots them again. A VM that is not running is only started.',
  examples: [{ command: 'banger vm restart web', does: 'Restarts one VM; its files stay.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.restartVm(ref, { signal }),
});
