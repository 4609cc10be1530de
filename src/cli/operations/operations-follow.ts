import { defineCommand } from '../program/command.ts';
import { OPERATION_ID } from './operation-args.ts';

/** `banger operations follow` */
export const operationsFollow = defineCommand({
  path: ['operations', 'follow'],
  summary: 'follow an operation to its end',
  description:
    'Shows what an operation tells, from its beginning, and ends when it does: with 0 when it went well, with its error when it did not. Ctrl-C leaves it alone.',
  examples: [
    {
      command: 'banger operations follow $(banger vm create --detach -q)',
      does: 'Makes a VM, leaves it to the daemon, and comes back to it.',
    },
  ],
  args: [OPERATION_ID],
  options: {
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print its result as JSON' },
  },
  async run({ args: [id = ''], options }, context) {
    const client = await context.client();
    const result = await context.follow(client.followOperation(id, { signal: context.signal }), id);
    if (options.json) await context.printJson(result);
    else await context.print(`${id}: done`);
    return 0;
  },
});
