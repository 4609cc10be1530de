import type { ArgumentDefinition, OptionDefinitions } from '../program/command.ts';
import { TIMINGS } from './vm-options.ts';

/** Options of every command that acts on several VMs. */
export const VM_ACTION_OPTIONS = {
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  quiet: { type: 'flag', short: 'q', summary: 'print only failures' },
  timings: TIMINGS,
  json: { type: 'flag', summary: 'print the outcome for each VM as a JSON array' },
} as const satisfies OptionDefinitions;

/** The paragraph of help that these commands share. */
export const SEVERAL_VMS =
  'Several VMs are handled at the same time, each only once. If one fails, the others are not affected, and the exit status is 1. With --json, stdout has one array with an entry for each, in the order in which they were named: {"ref", "outcome", "vm"}, or {"ref", "error"}. With --timings, each entry with an outcome also has "spans".';

/** The argument of these commands. */
export const VM_REFS: ArgumentDefinition = {
  name: 'vm',
  summary: 'names, ids or unique id prefixes',
  isRequired: true,
  isVariadic: true,
  kind: 'vm',
};
