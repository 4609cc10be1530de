import { AppError } from '../../../base/errors.ts';
import { defineCommand } from '../../program/command.ts';

/** `banger vm prune` */
export const vmPrune = defineCommand({
  path: ['vm', 'prune'],
  summary: 'delete every VM that is not running',
  description:
    'Deletes VMs that are stopped, were never started, or could not be started, with everything in them. It lists them and asks first; without a terminal, --force is required. Running VMs are not touched, even if they were started after the question.',
  examples: [
    { command: 'banger vm prune', does: 'Lists what would be deleted, and asks.' },
    { command: 'banger vm prune -f', does: 'Deletes without asking.' },
  ],
  args: [],
  options: {
    force: { type: 'flag', short: 'f', summary: 'do not ask' },
    quiet: { type: 'flag', short: 'q', summary: 'print only failures' },
    json: { type: 'flag', summary: 'print the outcome for each VM as a JSON array' },
  },
  async run({ options }, context) {
    const { canAsk, confirm } = await import('../../context/confirm.ts');
    if (!options.force && !canAsk(context)) {
      throw new AppError('USAGE_OPTIONS', 'Cannot ask before deleting VMs: there is no terminal', {
        hint: 'banger vm prune --force',
        details: { field: 'force' },
      });
    }
    const client = await context.client();
    const { RESTING_STATES } = await import('../../../protocol/vm.ts');
    const all = await client.listVms({ isAll: true, signal: context.signal });
    const resting = all.filter(
      ({ state, purpose }) => purpose === undefined && RESTING_STATES.includes(state),
    );
    if (resting.length === 0) {
      if (options.json) await context.printJson([]);
      else if (!options.quiet) context.notice('there is nothing to delete: no VM is stopped');
      return 0;
    }
    if (!options.force) {
      const { vmTable } = await import('../../render/vm.ts');
      context.progress.clear();
      context.stderr.put(vmTable(resting, { nowMs: Date.now(), width: context.io.stderr.columns }));
      const what =
        resting.length === 1
          ? 'this VM and everything in it'
          : `these ${resting.length} VMs and everything in them`;
      if (!(await confirm(`Delete ${what}?`, context))) {
        context.notice('nothing was deleted');
        return 1;
      }
    }
    const { forEachVm } = await import('../for-each-vm.ts');
    return await forEachVm(
      resting.map(({ id }) => id),
      {
        verb: 'prune',
        outcome: () => 'deleted',
        work: (one, ref, signal) => one.deleteVm(ref, { onlyResting: true, signal }),
        isJson: options.json,
        isQuiet: options.quiet,
      },
      context,
    );
  },
});
