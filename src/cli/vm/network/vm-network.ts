import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm network` */
export const vmNetwork = defineCommand({
  path: ['vm', 'network'],
  summary: "show a VM's network",
  description: [
    "Shows what a VM's guest can reach, and what its network has done since it was started: connections, queries of names, and what was refused.",
    '',
    "With --nat, a guest reaches the outside with connections that a process of yours opens for it. Of this host's own loopback it reaches only the ports that are exposed to it (--expose-host, banger vm port --reverse), as 10.0.2.2.",
  ].join('\n'),
  examples: [
    { command: 'banger vm network web', does: 'The network of one VM.' },
    { command: 'banger vm network web --json', does: 'The same as JSON.' },
  ],
  args: [ONE_VM],
  options: { json: { type: 'flag', summary: 'print JSON' } },
  async run({ args: [ref = ''], options }, context) {
    const client = await context.client();
    const state = await client.vmNetwork(ref, { signal: context.signal });
    if (options.json) await context.printJson(state);
    else {
      const { networkLines } = await import('./render-network-lines.ts');
      await context.print(networkLines(state));
    }
    return 0;
  },
});
