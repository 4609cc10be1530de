import { defineCommand } from '../../program/command.ts';

/** `banger vm ports` */
export const vmPorts = defineCommand({
  path: ['vm', 'ports'],
  summary: 'list what guests listen on',
  description:
    'Lists the ports on which programs in running VMs listen, with the name of the program, and a link if it answers like a web server. It asks the agent in the guest, which needs no network. VMs are asked at the same time. If one fails, the others are still listed, and the exit status is 1.',
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
      summary: 'names, ids or unique id prefixes',
      isRequired: true,
      isVariadic: true,
      kind: 'vm',
    },
  ],
  options: { json: { type: 'flag', summary: 'print a JSON array with one item per VM' } },
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
