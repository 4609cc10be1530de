import type { EndedVm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { Work } from '../../../sdk/work.ts';
import { type CommandDefinition, defineCommand } from '../../program/command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

interface LifecycleVerb {
  verb: string;
  summary: string;
  description: string;
  examples: CommandDefinition['examples'];
  /** what is printed behind the name */
  outcome: (vm: EndedVm) => string;
  work: (client: BangerClient, ref: string, signal: AbortSignal) => Work<EndedVm>;
  /** see `VmAction` */
  isKilledByInterrupt?: boolean;
  mustSync?: boolean;
}

/** `banger vm stop` */
export const vmStop = lifecycleCommand({
  verb: 'stop',
  summary: 'stop running VMs',
  description:
    'Asks the guest to write its data and power off. Files stay; a stopped VM can be started again. A guest that is well is stopped within 2 seconds; one that writes to a slow disk is waited for as long as it writes, and Ctrl-C kills it. A guest that hangs is killed in the end: what it had not written is lost then, the command says so, and its exit status is 1; with --json the entry has "synced": false and the reason.',
  examples: [{ command: 'banger vm stop web', does: 'Stops one VM.' }],
  outcome: ({ state, ending }) => (ending?.synced === false ? 'killed' : state),
  work: (client, ref, signal) => client.stopVm(ref, { signal }),
  isKilledByInterrupt: true,
  mustSync: true,
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
  ...rules
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
      return await forEachVm(args, { verb, outcome, work, ...rules, isJson, isQuiet, isTimed }, context);
    },
  });
}
