import { defineCommand } from '../../program/command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

/** `banger vm delete` */
export const vmDelete = defineCommand({
  path: ['vm', 'delete'],
  summary: 'delete VMs and everything in them',
  description: [
    `Stops VMs and removes their disks. This cannot be undone. ${SEVERAL_VMS}`,
    '',
    'On a terminal, it asks first when the workspace of a running VM has changes that were not exported: HEAD or files differ both from what was copied into the VM and from what banger vm workspace export last printed. Ignored files do not count, and a patch that lacks commits made in the VM is not an export. It also asks when a VM does not report its changes within 5 seconds. It never asks without a terminal, with --force, or with --json.',
  ].join('\n'),
  examples: [
    { command: 'banger vm delete web', does: 'Deletes one VM.' },
    { command: 'banger vm delete -f web', does: 'Deletes one VM without asking.' },
    { command: 'banger vm delete $(banger vm list --all -q)', does: 'Deletes every VM.' },
  ],
  args: [VM_REFS],
  options: {
    force: { type: 'flag', short: 'f', summary: 'do not ask, even if changes would be lost' },
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
