import { resolve } from 'node:path';
import { checkKernelName } from '../../protocol/image/kernel-name.ts';
import { defineCommand } from '../program/command.ts';
import { followKernel, NEW_KERNEL_OPTIONS } from './follow-kernel.ts';

/** `banger kernel import` */
export const kernelImport = defineCommand({
  path: ['kernel', 'import'],
  summary: 'make a kernel of one of your own',
  description:
    'Copies a kernel of yours, with its modules, so that VMs can boot it with --kernel-ref. <path> is a vmlinux, a bzImage or an arm64 Image, or a folder with one, such as that of a build or an unpacked package. Says which options that guests need the kernel lacks, and refuses one with which no VM boots.',
  examples: [
    {
      command: 'banger kernel import --name mine --modules out/lib/modules/6.12.0 out/vmlinuz',
      does: 'A kernel with its modules.',
    },
    {
      command: 'banger kernel import --name tiny --config linux/.config linux/vmlinux',
      does: 'A kernel that has everything built in.',
    },
  ],
  args: [{ name: 'path', summary: 'the kernel, or a folder with it', isRequired: true, kind: 'file' }],
  options: {
    name: {
      type: 'value',
      value: 'name',
      summary: "the kernel's name on this host",
      defaultText: () => 'that of the file',
    },
    modules: {
      type: 'value',
      value: 'folder',
      kind: 'folder',
      summary: 'its modules, as in /lib/modules/RELEASE, with the lists of depmod',
      defaultText: () => 'lib/modules/RELEASE or modules near the kernel, if it is there',
    },
    config: {
      type: 'value',
      value: 'file',
      kind: 'file',
      summary: 'the options that it was built with',
      defaultText: () => 'config or .config near the kernel, or what the kernel contains',
    },
    ...NEW_KERNEL_OPTIONS,
  },
  async run({ args: [given = ''], options }, context) {
    const { kernelNameOf, pathOption } = await import('./kernel-name.ts');
    const { cwd } = context.io;
    const path = resolve(cwd, given);
    const request = {
      name: checkKernelName(options.name ?? kernelNameOf(path)),
      path,
      ...(options.modules === undefined ? {} : { modules: pathOption('--modules', options.modules, cwd) }),
      ...(options.config === undefined ? {} : { config: pathOption('--config', options.config, cwd) }),
    };
    const client = await context.client();
    const work = client.importKernel(request, { signal: context.signal });
    return await followKernel(work, { label: 'kernel import', isJson: options.json, context });
  },
});
