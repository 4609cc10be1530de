import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { EXEC_OPTIONS } from './options.ts';

/** `banger vm exec` */
export const vmExec = defineCommand({
  path: ['vm', 'exec'],
  summary: 'run a command in a running VM',
  description: [
    "Runs a command in a VM and exits with its status, as banger vm run does. The command starts in the VM's workspace, or without one, in the user's home. If you are in a subfolder of the working tree that was copied to the workspace, it starts in the same subfolder of the workspace. If the VM lacks that subfolder, a notice says so and the command starts at the top of the workspace. A user other than root and the VM's own always starts at home.",
    '',
    'On a terminal the command gets a terminal too; else stdin, stdout and stderr pass through unchanged and separately. Where stdin must not be read, as in a shell loop, add </dev/null.',
    '',
    "The exit status is that of the command, 128+n when signal n killed it, 125 when banger failed, 126 or 127 when the command could not be started, 124 when --timeout ended it. With --json, stdout has one JSON value about how the command ended, and all of the command's output goes to stderr.",
    '',
    'With --detach the command becomes a job: it has no input, keeps running when banger and the daemon are gone, and the guest keeps the newest part of its output. See banger vm jobs, banger vm attach and banger vm job.',
  ].join('\n'),
  examples: [
    { command: 'banger vm exec web -- bash', does: 'A shell in a running VM.' },
    { command: 'banger vm exec web -- cat /etc/os-release', does: 'One command.' },
    {
      command: 'banger vm exec -e CI=1 -w /srv web -- make test',
      does: 'With an environment variable, in another folder.',
    },
    {
      command: 'banger vm exec --timeout 10m web -- make test',
      does: 'Ends the command and all its processes when it takes longer, also when banger itself is gone.',
    },
    { command: 'banger vm exec -d web -- make world', does: 'Starts a job and prints its id.' },
    { command: 'banger vm exec web -- tar c /srv | tar x', does: 'Copies files out.' },
  ],
  args: [ONE_VM],
  trailing: { name: 'cmd', summary: 'the command and its arguments, word for word', isRequired: true },
  options: EXEC_OPTIONS,
  runsGuestCommand: true,
  async run(invocation, context) {
    const { execPlanOf } = await import('./plan.ts');
    const plan = execPlanOf(invocation, context.io.env);
    const { execInVm } = await import('./exec-in-vm.ts');
    return await execInVm(plan, context);
  },
});
