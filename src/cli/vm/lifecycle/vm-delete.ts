import { defineCommand } from '../../program/command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

/** `banger vm delete` */
export const vmDelete = defineCommand({
  path: ['vm', 'delete'],
  summary: 'delete VMs and everything in them',
  description: [
    `Stops VMs and removes their disks. This cannot be undone. ${SEVERAL_VMS}`,
    '',
    'On a terminal, it asks first when the workspace of a running VM has changes that were not exported: HEAD or files (ignored ones do not count) that are neither as they were copied into the VM nor as banger vm workspace export last printed them. A patch that lacks commits made in the VM does not count as an export. It also asks when the VM does not say within 5 seconds whether it has such changes. It never asks without a terminal, with --force, or with --json.',
  ].join('\n'),
  examples: [
    { command: 'banger vm delete web', does: 'Deletes one VM.' },
    { command: 'banger vm delete -f web', does: 'Deletes it without asking.' },
    { command: 'banger vm delete $(banger vm list --all -q)', does: 'Deletes every VM.' },
  ],
  args: [VM_REFS],
  options: {
    force: { type: 'flag', short: 'f', summary: 'do not ask, whatever would be lost' },
    ...VM_ACTION_OPTIONS,
  },
  async run({ args, options }, context) {
    const { force, json: isJson, quiet: isQuiet, timings: isTimed } = options;
    const { canAsk } = await import('../../context/confirm.ts');
    if (!force && !isJson && canAsk(context)) {
      const { mayDelete } = await import('./ask-before-delete.ts');
      if (!(await mayDelete(args, context))) return 1;
    }
    const { forEachVm } = await import('../for-each-vm.ts');
    return await forEachVm(
      args,
      {
        verb: 'delete',
        outcome: () => 'deleted',
        work: (client, ref, signal) => client.deleteVm(ref, { signal }),
        isJson,
        isQuiet,
        isTimed,
      },
      context,
    );
  },
});
