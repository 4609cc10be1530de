import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { TAG_ARGUMENT } from './snapshot-args.ts';

/** `banger vm snapshot delete` */
export const vmSnapshotDelete = defineCommand({
  path: ['vm', 'snapshot', 'delete'],
  summary: 'delete a snapshot of a VM',
  description: 'Deletes a snapshot. The VM is not touched, even if it was restored from that snapshot.',
  examples: [{ command: 'banger vm snapshot delete web before', does: 'Frees its disk space.' }],
  args: [ONE_VM, TAG_ARGUMENT],
  options: {},
  async run({ args: [ref = '', tag = ''] }, context) {
    await (await context.client()).deleteSnapshot(ref, tag, { signal: context.signal });
    await context.print(`${tag}: deleted`);
    return 0;
  },
});
