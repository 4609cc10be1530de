import { defineCommand } from '../program/command.ts';

const ID = {
  name: 'operation',
  summary: 'its id, as banger operations list shows it',
  isRequired: true,
  kind: 'other',
} as const;

/** `banger operations list` */
export const operationsList = defineCommand({
  path: ['operations', 'list'],
  summary: 'list what the daemon is doing',
  description:
    'Lists the operations under way in the daemon, whoever began them: VMs that are being made, started or stopped, images that are being built. With --all also those that ended in the last minutes.',
  examples: [
    { command: 'banger operations list', does: 'What is under way.' },
    { command: 'banger operations list --all', does: 'Also what ended lately, and how.' },
  ],
  args: [],
  options: {
    all: { type: 'flag', short: 'a', summary: 'also those that ended lately' },
    quiet: { type: 'flag', short: 'q', summary: 'print ids only' },
    json: { type: 'flag', summary: 'print the operations as a JSON array' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const operations = await client.listOperations({ isAll: options.all, signal: context.signal });
    if (options.json) await context.printJson(operations);
    else if (options.quiet) await context.print(operations.map(({ id }) => `${id}\n`).join(''));
    else {
      const { operationTable } = await import('./render-operations.ts');
      await context.print(operationTable(operations, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});

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
  args: [ID],
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

/** `banger operations cancel` */
export const operationsCancel = defineCommand({
  path: ['operations', 'cancel'],
  summary: 'cancel an operation',
  description:
    'Cancels an operation and waits until what it began is undone: a VM that was being made is gone, one that was being started is as it was. What would be worse by half (a stop, a delete) is not cancelled.',
  examples: [{ command: 'banger operations cancel op-1f2e3d4c', does: 'Cancels one operation.' }],
  args: [ID],
  options: {
    quiet: { type: 'flag', short: 'q', summary: 'print nothing when it goes well' },
    json: { type: 'flag', summary: 'print the operation as JSON' },
  },
  async run({ args: [id = ''], options }, context) {
    const client = await context.client();
    const operation = await client.cancelOperation(id, { signal: context.signal });
    if (options.json) await context.printJson(operation);
    else if (!options.quiet) await context.print(`${id}: ${operation.state}`);
    return operation.state === 'done' ? 1 : 0;
  },
});
