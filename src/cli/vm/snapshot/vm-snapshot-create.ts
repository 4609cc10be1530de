import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { VERBOSE } from './snapshot-args.ts';

/** `banger vm snapshot create` */
export const vmSnapshotCreate = defineCommand({
  path: ['vm', 'snapshot', 'create'],
  summary: 'save the current state of a running VM',
  description:
    'Saves memory, processes and disks of a running VM as of one moment. The VM is paused briefly, then continues. A snapshot is deleted with its VM.',
  examples: [
    { command: 'banger vm snapshot create web before', does: 'A snapshot with the tag before.' },
    { command: 'banger vm snapshot create web', does: 'A snapshot whose tag is the current time.' },
  ],
  args: [
    ONE_VM,
    {
      name: 'tag',
      summary: "1 to 63 of a-z, 0-9, '.', '_' and '-'; by default the current time",
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
