import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm network log` */
export const vmNetworkLog = defineCommand({
  path: ['vm', 'network', 'log'],
  summary: 'print what the network of a VM allowed and refused',
  description: [
    'Prints the names that the guest asked for and the connections that it opened, with the rule that allowed each, or why it was refused and which --allow would permit it.',
    '',
    'Decisions that repeat are counted, and so are those of a guest that makes very many; the newest few MiB are kept.',
  ].join('\n'),
  examples: [
    { command: 'banger vm network log web', does: 'What was decided so far.' },
    { command: 'banger vm network log -f web', does: 'Also prints new decisions, until Ctrl-C.' },
    {
      command: 'banger vm network log --json web | jq \'.[] | select(.verdict == "refused")\'',
      does: 'The refusals, as JSON.',
    },
  ],
  args: [ONE_VM],
  options: {
    follow: { type: 'flag', short: 'f', summary: 'keep printing new decisions' },
    json: { type: 'flag', summary: 'print them as JSON; with -f one value per line' },
  },
  async run({ args: [ref = ''], options }, context) {
    const { printNetworkLog } = await import('./print-network-log.ts');
    const client = await context.client();
    const { signal } = context;
    const log = client.networkLog(ref, { isFollowed: options.follow, signal });
    context.progress.clear();
    await printNetworkLog(log, { isJson: options.json, isFollowed: options.follow, context });
    return 0;
  },
});
