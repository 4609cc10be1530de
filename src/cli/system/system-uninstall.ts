import { defineCommand } from '../program/command.ts';
import { CHANGE_OPTIONS } from './options.ts';

/** `banger system uninstall` */
export const systemUninstall = defineCommand({
  path: ['system', 'uninstall'],
  summary: 'remove the services',
  description:
    'Stops the services and removes all that banger system install has made. VMs and images in /var/lib/banger stay for the next install, and so does /etc/banger/config.toml; with --purge they are deleted. Refuses while VMs run, unless --force ends them. It needs root, and refuses files that it has not written.',
  examples: [
    {
      command: 'banger system uninstall',
      does: 'Keeps VMs and images for the next install; run it with sudo.',
    },
    {
      command: 'banger system uninstall --purge',
      does: 'Also deletes them. There is no undo; run it with sudo.',
    },
  ],
  args: [],
  options: {
    purge: { type: 'flag', summary: 'also delete all VMs, images and the configuration of the services' },
    force: { type: 'flag', summary: 'end VMs that run' },
    ...CHANGE_OPTIONS,
  },
  async run({ options }, context) {
    const { uninstall } = await import('./uninstall.ts');
    return await uninstall(options, context);
  },
});
