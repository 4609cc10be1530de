import { AppError } from '../../base/errors.ts';
import { defineCommand } from '../program/command.ts';

/** `banger ssh-config` */
export const sshConfig = defineCommand({
  path: ['ssh-config'],
  summary: 'let ssh, scp, rsync, git and editors reach VMs as NAME.vm',
  description: [
    "Writes banger's own ssh configuration, which makes ssh NAME.vm work for every VM, and with it scp, sftp, rsync, git and editors. It needs no network in the guest and no root. It takes effect in a program that reads ~/.ssh/config when that file includes it.",
    '',
    'Without an option, prints the line to include, and changes none of your own files. With --install, puts the line at the top of ~/.ssh/config, between two comments; every other byte of it stays. With --uninstall, removes both again.',
    '',
    'ssh NAME.vm starts the daemon when it is not running, and resumes a suspended VM. It logs in as the user of the VM, or as root when it has none, with a key that only banger uses, and accepts only the host key that banger made for this VM: it never asks, and your known_hosts file is not touched. Your ssh-agent is not lent to a guest unless you pass -A.',
  ].join('\n'),
  examples: [
    { command: 'banger ssh-config --install', does: 'Once; then ssh web.vm and git clone web.vm:repo work.' },
    {
      command: 'banger ssh-config',
      does: 'The line to include, for a configuration that you manage yourself.',
    },
    { command: 'banger ssh-config --uninstall', does: 'Removes it again.' },
  ],
  args: [],
  options: {
    install: { type: 'flag', summary: 'put the line at the top of ~/.ssh/config' },
    uninstall: { type: 'flag', summary: "remove the line, and banger's ssh configuration" },
    json: { type: 'flag', summary: 'print what was done as JSON' },
  },
  async run({ options }, context) {
    if (options.install && options.uninstall) {
      throw new AppError('USAGE_OPTIONS', 'Cannot use --install with --uninstall: they exclude each other');
    }
    const { setUpSsh } = await import('./set-up-ssh.ts');
    const action = options.install ? 'install' : options.uninstall ? 'uninstall' : 'show';
    const done = await setUpSsh(action, context);
    if (options.json) await context.printJson(done);
    else {
      const { sshConfigReport } = await import('./render-ssh-config.ts');
      await context.print(sshConfigReport(action, done));
    }
    return 0;
  },
});
