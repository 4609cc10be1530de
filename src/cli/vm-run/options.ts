import type { OptionDefinitions } from '../command.ts';
import { VM_OPTIONS } from '../vm-options.ts';

/** Options of `vm run`. */
export const RUN_OPTIONS = {
  ...VM_OPTIONS,
  rm: { type: 'flag', summary: 'delete the VM when the command or the shell ends, or banger does' },
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  json: { type: 'flag', summary: 'print the VM, the exit status and timings as JSON; needs a command' },
} as const satisfies OptionDefinitions;
