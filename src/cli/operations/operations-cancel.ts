import { defineCommand } from '../program/command.ts';
import { OPERATION_ID } from './operation-args.ts';

/** `banger operations cancel` */
export const operationsCancel = defineCommand({
  path: ['operations', 'cancel'],
  summary: 'cancel an operation',
  description:
    'Cancels an operation and waits until its changes are undone: a VM that was being made is deleted, and one that was being started is as before. Operations that must not stop halfway (a stop, a delete) are not cancelled.',
  examples: [{ command: 'banger operations cancel op-1f2e3d4c', does: 'Cancels one operation.' }],
  args: [OPERATION_ID],
  options: {
    quiet: { type: 'flag', short: 'q', summary: 'print nothing on success' },
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
