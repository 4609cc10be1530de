import type { ArgumentDefinition, OptionDefinitions } from '../program/command.ts';
import { TIMINGS } from './vm-options.ts';

/** Options of every command that does the same to several VMs. */
export const VM_ACTION_OPTIONS = {
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  quiet: { type: 'flag', short: 'q', summary: 'print nothing of what goes well' },
  timings: TIMINGS,
  json: { type: 'flag', summary: 'print what became of each as a JSON array' },
} as const satisfies OptionDefinitions;

/** What is said of all of them. */
export const SEVERAL_VMS =
  'Several are done at once, each once; when one fails, the others are done all the same, and the exit status is 1. With --json stdout has one array with an entry for each, in the order they were named: {"ref", "outcome", "vm"}, or {"ref", "error"}; with --timings the first have "spans" of their own.';

/** The VMs that such a command takes. */
export const VM_REFS: ArgumentDefinition = {
  name: 'vm',
  summary: 'names, ids, or unique starts of ids',
  isRequired: true,
  isVariadic: true,
  kind: 'vm',
};
