import { defineCommand } from '../../program/command.ts';

/** `banger vm ports` */
export const vmPorts = defineCommand({
  path: ['vm', 'ports'],
  summary: 'list what guests listen on',
  description:
    'Lists the ports on which something in running VMs listens, with the program, and the link of what answers as a web server does. It asks the agent in the guest, which needs no network. VMs are asked at once; when one fails, the others are listed all the same, and the exit status is 1.',
  examples: [
    { command: 'banger vm ports web', does: 'The ports of one VM.' },
    {
      command: 'banger vm ports web db --json',
      does: 'Those of two, with addresses and process ids, as a JSON array.',
    },
  ],
  args: [
    {
      name: 'vm',
      summary: 'names, ids, or unique starts of ids',
      isRequired: true,
      isVariadic: true,
      kind: 'vm',
    },
  ],
  options: { json: { type: 'flag', summary: 'print them as a JSON array, an item a VM' } },
  async run({ args, options }, context) {
    const { listPorts } = await import('./list-ports.ts');
    const { found, status } = await listPorts(args, context);
    if (options.json) await context.printJson(found);
    else if (found.length > 0) {
      const { portsTable } = await import('./render-usage.ts');
      await context.print(portsTable(found, { width: context.stdout.columns }));
    }
    return status;
  },
});
