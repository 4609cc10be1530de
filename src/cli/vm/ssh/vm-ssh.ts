import { defineCommand } from '../../program/command.ts';
import { commandOf } from '../guest-command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm ssh` */
export const vmSsh = defineCommand({
  path: ['vm', 'ssh'],
  summary: 'log in to a VM with ssh',
  description: [
    "Logs in to a VM as its user, or as root when it has none, with OpenSSH, or runs a command over it. The connection goes through the agent in the guest and needs no network there. The login key and the guest's host key are banger's own; your ssh configuration is ignored. A suspended VM is resumed first.",
    '',
    "A login shell starts in the VM's workspace, like a command of banger vm exec. A command starts in the user's home, as with ssh.",
    '',
    "A single word after -- is a line for the guest's shell; several words reach the guest as exactly these words. The exit status is that of the command, or 255 when ssh failed. banger vm exec is quicker and needs no sshd in the guest.",
  ].join('\n'),
  examples: [
    { command: 'banger vm ssh web', does: 'A login shell.' },
    { command: 'banger vm ssh web -- uptime', does: 'One command.' },
    { command: "banger vm ssh web -- 'cd /srv && make test'", does: "A line for the guest's shell." },
    {
      command: 'banger vm ssh web -- grep -r "a phrase" /srv',
      does: 'Words that reach the guest unchanged.',
    },
    { command: 'banger vm ssh -t web -- top', does: 'A command that needs a terminal.' },
  ],
  args: [ONE_VM],
  trailing: { name: 'cmd', summary: 'the command and its arguments', isRequired: false },
  options: {
    tty: { type: 'flag', short: 't', summary: 'give the command a terminal; a login shell always has one' },
  },
  async run({ args: [ref = ''], trailing, options }, context) {
    const command = trailing ? commandOf(trailing, { usage: `banger vm ssh ${ref} -- uptime` }) : [];
    const { sshIntoVm } = await import('./ssh-into-vm.ts');
    return await sshIntoVm({ ref, command, hasTerminal: options.tty }, context);
  },
});
