import { defineCommand } from '../../program/command.ts';

const VM_ARGUMENT = {
  name: 'vm',
  summary: "the VM's name, id, or unique start of its id",
  isRequired: true,
  kind: 'vm',
} as const;
const TAG_ARGUMENT = { name: 'tag', summary: "the snapshot's tag", isRequired: true, kind: 'other' } as const;
const VERBOSE = { type: 'flag', short: 'v', summary: 'show each step on a line of its own' } as const;

/** `banger vm snapshot create` */
export const vmSnapshotCreate = defineCommand({
  path: ['vm', 'snapshot', 'create'],
  summary: 'keep a running VM as it is now',
  description:
    'Keeps memory, processes and disks of a running VM as of one moment. The VM stands still for a moment and runs on. A snapshot goes with its VM.',
  examples: [
    { command: 'banger vm snapshot create web before', does: 'A snapshot with the tag before.' },
    { command: 'banger vm snapshot create web', does: 'One whose tag is the time.' },
  ],
  args: [
    VM_ARGUMENT,
    {
      name: 'tag',
      summary: "1 to 63 of a-z, 0-9, '.', '_' and '-'; the time when absent",
      isRequired: false,
      kind: 'other',
    },
  ],
  options: { verbose: VERBOSE, json: { type: 'flag', summary: 'print the snapshot as JSON' } },
  async run({ args: [ref = '', tag], options }, context) {
    const client = await context.client();
    const request = tag === undefined ? {} : { tag };
    const work = client.createSnapshot(ref, request, { signal: context.signal });
    const snapshot = await context.follow(work, 'vm snapshot');
    if (options.json) await context.printJson(snapshot);
    else await context.print(snapshot.tag);
    return 0;
  },
});

/** `banger vm snapshot list` */
export const vmSnapshotList = defineCommand({
  path: ['vm', 'snapshot', 'list'],
  summary: 'list the snapshots of a VM',
  description: 'Lists the snapshots of a VM, oldest first.',
  examples: [{ command: 'banger vm snapshot list web', does: 'What web can be put back to.' }],
  args: [VM_ARGUMENT],
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
  args: [VM_ARGUMENT, TAG_ARGUMENT],
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

/** `banger vm snapshot delete` */
export const vmSnapshotDelete = defineCommand({
  path: ['vm', 'snapshot', 'delete'],
  summary: 'delete a snapshot of a VM',
  description: 'Removes a snapshot. The VM, also one that was put back to it, is not touched.',
  examples: [{ command: 'banger vm snapshot delete web before', does: 'Frees its disk space.' }],
  args: [VM_ARGUMENT, TAG_ARGUMENT],
  options: {},
  async run({ args: [ref = '', tag = ''] }, context) {
    await (await context.client()).deleteSnapshot(ref, tag, { signal: context.signal });
    await context.print(`${tag}: deleted`);
    return 0;
  },
});
