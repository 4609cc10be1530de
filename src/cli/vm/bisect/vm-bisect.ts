import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { BISECT_OPTIONS } from './options.ts';

/** `banger vm bisect` */
export const vmBisect = defineCommand({
  path: ['vm', 'bisect'],
  summary: 'find the commit at which a command begins to fail, in forks of a VM',
  description: [
    'Tests commits between <good> and <bad> in forks of a running VM, and prints the first at which the command fails. The VM itself does not change. Each fork checks out its commit in the workspace: changes of tracked files are dropped, other files stay.',
    '',
    'A fork is a copy of the one in which a commit was found good last, so that an incremental build continues from there. With --clean, each is a copy of the VM itself.',
    '',
    'The exit status of the command means what it means to git bisect run: 0 is good, 125 cannot be tested, any other up to 127 is bad, and 128 or more ends the search. First <good> must succeed and <bad> must fail. The command gets the variable BANGER_BISECT_COMMIT, and no input; its output goes to a log.',
    '',
    'The exit status is 0 when the commit was found, 1 when commits that cannot be tested hide it, and 125 when something else failed.',
  ].join('\n'),
  examples: [
    {
      command: 'banger vm bisect web v1.0 HEAD -- make test',
      does: 'The first commit since v1.0 that fails.',
    },
    {
      command: "banger vm bisect web main~50 main -- sh -c 'make || exit 125; ./run-test'",
      does: 'Skips commits that cannot be built.',
    },
  ],
  args: [
    ONE_VM,
    { name: 'good', summary: 'a commit at which the command succeeds', isRequired: true, kind: 'other' },
    { name: 'bad', summary: 'a later commit at which it fails', isRequired: true, kind: 'other' },
  ],
  trailing: { name: 'cmd', summary: 'the command and its arguments, word for word', isRequired: true },
  options: BISECT_OPTIONS,
  runsGuestCommand: true,
  async run(invocation, context) {
    const { bisectPlanOf } = await import('./plan.ts');
    const plan = bisectPlanOf(invocation, { ownEnv: context.io.env, cwd: context.io.cwd });
    const { runBisect } = await import('./run-bisect.ts');
    return await runBisect(plan, context);
  },
});
