import { parseVmmSignal, VMM_SIGNALS } from '../../../protocol/vmm-signal.ts';
import { defineCommand } from '../../program/command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

/** `banger vm kill` */
export const vmKill = defineCommand({
  path: ['vm', 'kill'],
  summary: 'end VMs immediately',
  description: [
    'Ends VMs without asking their guests to power off: for a guest that hangs, or when nothing in it needs an orderly shutdown. A guest that still answers first writes its unsaved data to its disks; when that was not possible, the command says so.',
    `The VM is then stopped and can be started again. ${SEVERAL_VMS}`,
  ].join(' '),
  examples: [
    { command: 'banger vm kill web', does: 'Ends one VM.' },
    { command: 'banger vm kill --signal KILL web', does: 'Ends its VMM with SIGKILL.' },
  ],
  args: [VM_REFS],
  options: {
    signal: {
      type: 'value',
      value: 'name',
      kind: VMM_SIGNALS.map((name) => name.slice(3)),
      summary: 'signal for the VMM: TERM, KILL, INT, HUP, QUIT, USR1, USR2, ABRT',
      defaultText: () => 'what makes it end in order',
    },
    ...VM_ACTION_OPTIONS,
  },
  async run({ args, options }, context) {
    const vmmSignal = options.signal === undefined ? undefined : parseVmmSignal(options.signal);
    const { forEachVm } = await import('../for-each-vm.ts');
    return await forEachVm(
      args,
      {
        verb: 'kill',
        outcome: ({ state }) => state,
        work: (client, ref, signal) =>
          client.killVm(ref, vmmSignal === undefined ? {} : { signal: vmmSignal }, { signal }),
        isJson: options.json,
        isQuiet: options.quiet,
        isTimed: options.timings,
      },
      context,
    );
  },
});
