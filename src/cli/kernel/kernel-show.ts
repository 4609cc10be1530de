import { defineCommand } from '../program/command.ts';
import { ONE_KERNEL } from './one-kernel.ts';

/** `banger kernel show` */
export const kernelShow = defineCommand({
  path: ['kernel', 'show'],
  summary: 'print a kernel as JSON',
  description: 'Prints what is known about a kernel, where its files are, and which images and VMs boot it.',
  examples: [{ command: 'banger kernel show my-kernel', does: 'The kernel my-kernel.' }],
  args: [ONE_KERNEL],
  options: { json: { type: 'flag', summary: 'print JSON (always the case)' } },
  async run({ args: [name = ''] }, context) {
    await context.printJson(await (await context.client()).showKernel(name, { signal: context.signal }));
    return 0;
  },
});
