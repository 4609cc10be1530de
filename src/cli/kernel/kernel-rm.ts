import { defineCommand } from '../program/command.ts';
import { ONE_KERNEL } from './one-kernel.ts';

/** `banger kernel rm` */
export const kernelRm = defineCommand({
  path: ['kernel', 'rm'],
  summary: 'delete a kernel',
  description:
    'Deletes a kernel from this host. Refuses one that an image or a VM boots. Kernels that were neither pulled nor imported go by themselves with the last image that needs them.',
  examples: [{ command: 'banger kernel rm my-kernel', does: 'Deletes the kernel my-kernel.' }],
  args: [ONE_KERNEL],
  options: { json: { type: 'flag', summary: 'print what was deleted as JSON' } },
  async run({ args: [name = ''], options }, context) {
    await (await context.client()).deleteKernel(name, { signal: context.signal });
    if (options.json) await context.printJson({ name, outcome: 'deleted' });
    else await context.print(`${name}: deleted`);
    return 0;
  },
});
