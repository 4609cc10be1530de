import { defineCommand } from '../program/command.ts';
import { OPERATION_ID } from './operation-args.ts';

/** `banger operations follow` */
export const operationsFollow = defineCommand({
  path: ['operations', 'follow'],
  summary: 'follow an operation to its end',
  description:
    'Shows the progress of an operation from its beginning, and exits when the operation ends: with 0 on success, else with its error. Ctrl-C ends only this command, not the operation.',
  examples: [
    {
      command: 'banger operations follow $(banger vm create --detach -q)',
      does: 'Makes a VM in the background, then waits for it.',
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
