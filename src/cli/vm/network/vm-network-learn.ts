import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm network learn` */
export const vmNetworkLearn = defineCommand({
  path: ['vm', 'network', 'learn'],
  summary: 'find the rules for what a guest uses',
  description: [
    'Allows the guest of a running VM everything outside for a while, and then prints the rules for what it used, as a policy for the config file: names before addresses, with a comment at each rule that is risky. Read them before you use them.',
    '',
    'The rules of the VM are in force again when the command ends; Ctrl-C ends it without a result.',
  ].join('\n'),
  examples: [
    { command: 'banger vm network learn web', does: 'Watches for 10 minutes.' },
    { command: 'banger vm network learn --for 30s web', does: 'Watches for half a minute.' },
  ],
  args: [ONE_VM],
  options: {
    for: { type: 'value', value: 'time', summary: 'how long to watch', defaultText: () => '10m' },
    json: { type: 'flag', summary: 'print the rules as JSON' },
  },
  async run({ args: [ref = ''], options }, context) {
    const { learnTime, renderLearned } = await import('./render-learned.ts');
    const forMs = learnTime(options.for ?? '10m');
    const client = await context.client();
    const work = client.learnNetwork(ref, { forMs, signal: context.signal });
    const learned = await context.follow(work, 'vm network learn');
    if (options.json) await context.printJson(learned);
    else await context.print(renderLearned(ref, learned));
    return 0;
  },
});
