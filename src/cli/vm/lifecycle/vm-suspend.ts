import { lifecycleCommand } from './lifecycle-command.ts';

/** `banger vm suspend` */
export const vmSuspend = lifecycleCommand({
  verb: 'suspend',
  summary: 'write running VMs to disk',
  description:
    'Writes the memory of VMs to disk and ends their processes. What runs in them goes on when they are resumed, as if no time had passed but for the clock; a client that is attached to a command loses it.',
  examples: [{ command: 'banger vm suspend web', does: 'Frees the memory of one VM.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.suspendVm(ref, { signal }),
});
