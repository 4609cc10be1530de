import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm suspend` */
export const vmSuspend = lifecycleCommand({
  verb: 'suspend',
  summary: 'save running VMs to disk and end their processes',
  description:
    'Writes the memory of VMs to disk and ends their processes. When they are resumed, their programs continue as if no time had passed, except that the clock is set. Clients that are attached to a command lose the connection to it.',
  examples: [{ command: 'banger vm suspend web', does: 'Frees the memory of one VM.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.suspendVm(ref, { signal }),
});
