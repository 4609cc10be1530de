import { defineCommand } from '../../program/command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

/** `banger vm start` */
export const vmStart = defineCommand({
  path: ['vm', 'start'],
  summary: 'start stopped VMs, and resume suspended ones',
  description: `Starts stopped VMs, resumes suspended ones, and waits until commands can run in them. A running VM is left alone. ${SEVERAL_VMS}`,
  examples: [
    { command: 'banger vm start web db', does: 'Starts two VMs at once.' },
    {
      command: 'banger vm start --cold web',
      does: 'Boots a suspended VM from its disks, for example when its saved memory no longer fits this host.',
    },
  ],
  args: [VM_REFS],
  options: {
    cold: {
      type: 'flag',
      summary:
        'boot them even if their memory was saved: a suspended VM loses its memory and keeps its disks',
    },
    ...VM_ACTION_OPTIONS,
  },
  async run({ args, options }, context) {
    const { forEachVm } = await import('../for-each-vm.ts');
    const { cold: isCold, json: isJson, quiet: isQuiet, timings: isTimed } = options;
    const cold = isCold ? { cold: true } : {};
    const outcome = ({ state }: { state: string }): string => state;
    return await forEachVm(
      args,
      {
        verb: 'start',
        outcome,
        work: (client, ref, signal) => client.startVm(ref, { ...cold, signal }),
        isJson,
        isQuiet,
        isTimed,
      },
      context,
    );
  },
});
