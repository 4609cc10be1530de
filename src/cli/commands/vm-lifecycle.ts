import type { Vm } from '../../protocol/vm.ts';
import type { BangerClient } from '../../sdk/client.ts';
import type { Work } from '../../sdk/work.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

interface LifecycleVerb {
  verb: string;
  summary: string;
  description: string;
  examples: CommandDefinition['examples'];
  /** what is printed behind the name */
  outcome: (vm: Vm) => string;
  work: (client: BangerClient, ref: string, signal: AbortSignal) => Work<Vm>;
}

/** `banger vm start` */
export const vmStart = lifecycleCommand({
  verb: 'start',
  summary: 'start stopped VMs',
  description:
    'Starts stopped VMs and waits until commands can run in them. A VM that runs is left as it is.',
  examples: [{ command: 'banger vm start web db', does: 'Starts two VMs at once.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.startVm(ref, { signal }),
});

/** `banger vm stop` */
export const vmStop = lifecycleCommand({
  verb: 'stop',
  summary: 'stop running VMs',
  description:
    'Asks the guest to write its data and power off, and ends the VM when it does not. Files stay; a stopped VM can be started again. A guest that is well is stopped within 2 seconds; one whose data could not be written is told of.',
  examples: [{ command: 'banger vm stop web', does: 'Stops one VM.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.stopVm(ref, { signal }),
});

/** `banger vm suspend` */
export const vmSuspend = lifecycleCommand({
  verb: 'suspend',
  summary: 'write running VMs to disk',
  description:
    'Writes the memory of VMs to disk and ends their processes. What runs in them goes on when they are resumed, as if no time had passed but for the clock; a client that is attached to a command loses it.',
  examples: [{ command: 'banger vm suspend web', does: 'Frees the memory of one VM.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.suspendVm(ref, { signal }),
});

/** `banger vm resume` */
export const vmResume = lifecycleCommand({
  verb: 'resume',
  summary: 'let suspended VMs go on',
  description:
    'Brings suspended VMs back as they were. banger vm start does so too, and also boots stopped ones.',
  examples: [{ command: 'banger vm resume web', does: 'One VM goes on where it was.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.startVm(ref, { onlyResume: true, signal }),
});

/** `banger vm restart` */
export const vmRestart = lifecycleCommand({
  verb: 'restart',
  summary: 'stop VMs and start them again',
  description:
    'Stops VMs as banger vm stop does, and boots them anew. A VM that does not run is only started.',
  examples: [{ command: 'banger vm restart web', does: 'Boots one VM anew; its files stay.' }],
  outcome: ({ state }) => state,
  work: (client, ref, signal) => client.restartVm(ref, { signal }),
});

/** `banger vm delete` */
export const vmDelete = lifecycleCommand({
  verb: 'delete',
  summary: 'delete VMs and all that is in them',
  description: 'Stops VMs and removes their disks. This cannot be undone.',
  examples: [
    { command: 'banger vm delete web', does: 'Deletes one VM.' },
    { command: 'banger vm delete $(banger vm list --all -q)', does: 'Deletes every VM.' },
  ],
  outcome: () => 'deleted',
  work: (client, ref, signal) => client.deleteVm(ref, { signal }),
});

function lifecycleCommand({
  verb,
  summary,
  description,
  examples,
  outcome,
  work,
}: LifecycleVerb): CommandDefinition {
  return defineCommand({
    path: ['vm', verb],
    summary,
    description: `${description} ${SEVERAL_VMS}`,
    examples,
    args: [VM_REFS],
    options: VM_ACTION_OPTIONS,
    async run({ args, options }, context) {
      const { forEachVm } = await import('../for-each-vm.ts');
      const { json: isJson, quiet: isQuiet, timings: isTimed } = options;
      return await forEachVm(args, { verb, outcome, work, isJson, isQuiet, isTimed }, context);
    },
  });
}
