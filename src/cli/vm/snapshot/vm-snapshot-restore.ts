import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { TAG_ARGUMENT, VERBOSE } from './snapshot-args.ts';

/** `banger vm snapshot restore` */
export const vmSnapshotRestore = defineCommand({
  path: ['vm', 'snapshot', 'restore'],
  summary: 'put a VM back to a snapshot',
  description:
    'Puts memory, processes and disks of a VM back to what they were, and lets it go on from there. What it is now is given up once that runs; when it fails, the VM is as it was. The snapshot stays.',
  examples: [
    { command: 'banger vm snapshot restore web before', does: 'As if nothing had happened since.' },
    {
      command: 'banger vm snapshot restore --cold web before',
      does: 'Boots web with the disks of the snapshot, for one whose memory does not fit this host any more.',
    },
  ],
  args: [ONE_VM, TAG_ARGUMENT],
  options: {
    cold: { type: 'flag', summary: "boot it with the snapshot's disks, and leave its memory" },
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
