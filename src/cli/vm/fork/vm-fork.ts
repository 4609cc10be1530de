import { defineCommand } from '../../program/command.ts';
import { ENV_OPTION } from '../guest-env.ts';
import { ONE_VM } from '../one-vm.ts';
import { TIMINGS } from '../vm-options.ts';

/** `banger vm fork` */
export const vmFork = defineCommand({
  path: ['vm', 'fork'],
  summary: 'copy a running VM, memory and all',
  description: [
    'Copies a running VM as of one moment: memory, processes and disks. The VM itself is paused briefly, then continues. Each copy has a name, an address and keys of its own before anything else runs in it.',
    '',
    "A command runs in each copy, in the VM's workspace if there is one. Its variable BANGER_FORK_INDEX is 0 in the first copy, 1 in the second, and so on. Each line of its output begins with the name of the copy. The exit status is that of the first copy, in order, whose command failed.",
  ].join('\n'),
  examples: [
    { command: 'banger vm fork web', does: 'One copy, named web-1.' },
    { command: 'banger vm fork web --name try', does: 'One copy with a name.' },
    {
      command: 'banger vm fork web -n 4 --rm -- make test',
      does: 'Runs a command in four copies and deletes them.',
    },
    {
      command: "banger vm fork web -n 4 --rm -- sh -c 'make test SHARD=$BANGER_FORK_INDEX'",
      does: 'Gives each copy a part of the work.',
    },
  ],
  args: [ONE_VM],
  trailing: { name: 'cmd', summary: 'the command and its arguments, word for word', isRequired: false },
  options: {
    name: { type: 'value', value: 'name', summary: "the copy's name; not with --count" },
    count: {
      type: 'value',
      short: 'n',
      value: 'count',
      summary: 'how many copies to make, up to 100',
      defaultText: () => '1',
    },
    ...ENV_OPTION,
    rm: {
      type: 'flag',
      summary: 'delete the copies when their commands end, or banger does; needs a command',
    },
    timings: TIMINGS,
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: 'print the copies as JSON; not with a command' },
  },
  runsGuestCommand: true,
  async run({ args: [ref = ''], trailing, options }, context) {
    const { forkPlanOf } = await import('./plan.ts');
    const plan = forkPlanOf(ref, { trailing, options, ownEnv: context.io.env });
    const { forkVm } = await import('./fork-vm.ts');
    return await forkVm(plan, context);
  },
});
