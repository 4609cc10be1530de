import { parsePlatform } from '../../protocol/image/platform.ts';
import { defineCommand } from '../program/command.ts';
import { PLATFORM_OPTION } from '../vm/platform-option.ts';
import { followKernel, NEW_KERNEL_OPTIONS } from './follow-kernel.ts';

/** `banger kernel pull` */
export const kernelPull = defineCommand({
  path: ['kernel', 'pull'],
  summary: 'fetch the newest kernel of the distribution',
  description:
    "Fetches Debian's newest kernel for clouds from its archive, whose signatures are checked. VMs of images that bring no kernel boot the newest one from then on; a VM that exists keeps its own. It stays until banger kernel rm deletes it.",
  examples: [
    { command: 'banger kernel pull', does: 'The newest kernel for guests of this host.' },
    { command: 'banger kernel pull --platform linux/arm64', does: 'The same for arm64 guests.' },
  ],
  args: [],
  options: { ...PLATFORM_OPTION, ...NEW_KERNEL_OPTIONS },
  async run({ options }, context) {
    const request = options.platform === undefined ? {} : { platform: parsePlatform(options.platform) };
    const client = await context.client();
    const work = client.pullKernel(request, { signal: context.signal });
    return await followKernel(work, { label: 'kernel pull', isJson: options.json, context });
  },
});
