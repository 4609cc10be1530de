import { defineCommand } from '../program/command.ts';

/** `banger operations list` */
export const operationsList = defineCommand({
  path: ['operations', 'list'],
  summary: 'list what the daemon is doing',
  description:
    'Lists the operations in progress in the daemon, from all clients: VMs that are being created, started or stopped, and images that are being built. With --all, also lists those that ended in the last minutes.',
  examples: [
    { command: 'banger operations list', does: 'The operations in progress.' },
    { command: 'banger operations list --all', does: 'Also those that ended recently, and how.' },
  ],
  args: [],
  options: {
    all: { type: 'flag', short: 'a', summary: 'also those that ended recently' },
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
