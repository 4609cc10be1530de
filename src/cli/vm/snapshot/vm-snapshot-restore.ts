import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { TAG_ARGUMENT, VERBOSE } from './snapshot-args.ts';

/** `banger vm snapshot restore` */
export const vmSnapshotRestore = defineCommand({
  path: ['vm', 'snapshot', 'restore'],
  summary: 'restore a VM to a snapshot',
  description:
    'Restores memory, processes and disks of a VM to the snapshot, and resumes it from there. The current state of the VM is discarded once the restored VM runs; if restoring fails, the VM is unchanged. The snapshot stays.',
  examples: [
    { command: 'banger vm snapshot restore web before', does: 'As if nothing had happened since.' },
    {
      command: 'banger vm snapshot restore --cold web before',
      does: 'Boots web from the disks of the snapshot, for example when its saved memory no longer fits this host.',
    },
  ],
  args: [ONE_VM, TAG_ARGUMENT],
  options: {
    cold: { type: 'flag', summary: 'boot from the disks of the snapshot, without its memory' },
    verbose: VERBOSE,
    json: { type: 'flag', summary: "print the VM's record as JSON" },
  },
  async run({ args: [ref = '', tag = ''], options }, context) {
    const client = await context.client();
    const work = client.restoreSnapshot(ref, tag, {
      ...(options.cold ? { cold: true } : {}),
      signal: context.signal,
    });
    const vm = await context.follow(work, 'vm snapshot');
    if (options.json) await context.printJson(vm);
    else await context.print(`${vm.name}: ${vm.state}`);
    return 0;
  },
});
