import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm snapshot list` */
export const vmSnapshotList = defineCommand({
  path: ['vm', 'snapshot', 'list'],
  summary: 'list the snapshots of a VM',
  description: 'Lists the snapshots of a VM, oldest first.',
  examples: [{ command: 'banger vm snapshot list web', does: 'The states to which web can be restored.' }],
  args: [ONE_VM],
  options: { json: { type: 'flag', summary: 'print the snapshots as a JSON array' } },
  async run({ args: [ref = ''], options }, context) {
    const snapshots = await (await context.client()).listSnapshots(ref, { signal: context.signal });
    if (options.json) await context.printJson(snapshots);
    else {
      const { snapshotTable } = await import('./render-snapshots.ts');
      await context.print(snapshotTable(snapshots, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});
