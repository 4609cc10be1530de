import { defineCommand } from '../program/command.ts';

/** `banger kernel list` */
export const kernelList = defineCommand({
  path: ['kernel', 'list'],
  summary: 'list kernels',
  description:
    "Lists the kernels that VMs boot. Building an image brings one. With --available, asks the distribution's archive which kernels it has.",
  examples: [
    { command: 'banger kernel list', does: 'The kernels of this host.' },
    { command: 'banger kernel list --available', does: 'Those that banger kernel pull fetches.' },
  ],
  args: [],
  options: {
    available: { type: 'flag', summary: 'list the kernels that can be pulled instead' },
    json: { type: 'flag', summary: 'print the kernels as a JSON array' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const { signal } = context;
    const { availableTable, kernelTable } = await import('./render-kernels.ts');
    const width = context.stdout.columns;
    if (options.available) {
      const work = client.listAvailableKernels({ signal });
      const { kernels } = await context.follow(work, 'kernel list');
      if (options.json) await context.printJson(kernels);
      else await context.print(availableTable(kernels, { width }));
      return 0;
    }
    const kernels = await client.listKernels({ signal });
    if (options.json) await context.printJson(kernels);
    else await context.print(kernelTable(kernels, { nowMs: Date.now(), width }));
    return 0;
  },
});
