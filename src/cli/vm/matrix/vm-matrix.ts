import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { MATRIX_OPTIONS } from './options.ts';

/** `banger vm matrix` */
export const vmMatrix = defineCommand({
  path: ['vm', 'matrix'],
  summary: 'run a command in forks of a VM, one for each combination of values',
  description: [
    'Makes a fork of a running VM for each combination of the values of --over and --commits, all as of one moment, runs the command in each, and deletes the forks. With --commits, a fork first checks out its commit in the workspace: changes of tracked files are dropped, other files, such as what was built, stay.',
    '',
    "The command gets each value as a variable with the name that was given, that of --commits as commit, and BANGER_MATRIX_INDEX, which counts from 0. In its words, {name} becomes the value. It starts in the VM's workspace, without input; its output goes to a log.",
    '',
    'At a time run as many forks as the processors and the free memory of this host have room for, or --jobs. Results are printed as a table. The exit status is 0 when all passed, 1 when a command failed, 125 when banger itself failed.',
  ].join('\n'),
  examples: [
    {
      command: 'banger vm matrix web --over node=20,22,24 -- mise exec node@{node} -- npm test',
      does: 'Tests with three versions.',
    },
    {
      command:
        "banger vm matrix web --over db=pg,my --over cache=on,off -- sh -c 'make test DB=$db CACHE=$cache'",
      does: 'All four combinations, as variables.',
    },
    {
      command: 'banger vm matrix web --commits main..HEAD --fail-fast -- make test',
      does: 'Tests each commit of a branch, until one fails.',
    },
  ],
  args: [ONE_VM],
  trailing: { name: 'cmd', summary: 'the command and its arguments', isRequired: true },
  options: MATRIX_OPTIONS,
  runsGuestCommand: true,
  async run(invocation, context) {
    const { matrixPlanOf } = await import('./plan.ts');
    const plan = matrixPlanOf(invocation, { ownEnv: context.io.env, cwd: context.io.cwd });
    const { runMatrix } = await import('./run-matrix.ts');
    return await runMatrix(plan, context);
  },
});
