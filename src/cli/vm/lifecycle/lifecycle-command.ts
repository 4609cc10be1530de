import type { EndedVm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { Work } from '../../../sdk/work.ts';
import { type CommandDefinition, defineCommand } from '../../program/command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

/** The differences between these commands. */
interface LifecycleVerb {
  verb: string;
  summary: string;
  description: string;
  examples: CommandDefinition['examples'];
  /** what is printed after the name */
  outcome: (vm: EndedVm) => string;
  work: (client: BangerClient, ref: string, signal: AbortSignal) => Work<EndedVm>;
  /** see `VmAction` */
  isKilledByInterrupt?: boolean;
  mustSync?: boolean;
}

/** Defines a command that acts on several VMs and prints the outcome for each. */
export function lifecycleCommand({
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
