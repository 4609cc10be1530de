import { defineCommand } from '../program/command.ts';
import { CHANGE_OPTIONS } from './options.ts';

/** `banger system install` */
export const systemInstall = defineCommand({
  path: ['system', 'install'],
  summary: 'run the daemon of one user as a service of this host',
  description:
    'Makes the daemon of one user a service of this host, with a helper for what only root can do. VMs then outlive logins, and the daemon starts with the host instead of with the first command. Copies this release to /usr/local/lib/banger-system, writes three systemd units and /etc/banger/install.toml, and waits until both services answer. It needs root, refuses files that it has not written, and may be repeated: VMs keep running. VMs that the user has already stay where they are, and BANGER_MODE=user reaches them.',
  examples: [
    {
      command: 'banger system install --owner "$USER"',
      does: 'Installs the services for yourself; run it with sudo.',
    },
    { command: 'banger system install --owner "$USER" --dry-run', does: 'Prints each file and command.' },
  ],
  args: [],
  options: {
    owner: {
      type: 'value',
      value: 'user',
      summary: 'the user whose VMs they are',
      defaultText: () => 'the user who runs sudo',
    },
    ...CHANGE_OPTIONS,
  },
  async run({ options }, context) {
    const { install } = await import('./install.ts');
    return await install(options, context);
  },
});
