import type { ArgumentDefinition } from '../program/command.ts';

/** The argument of every command on one kernel. */
export const ONE_KERNEL = {
  name: 'kernel',
  summary: "the kernel's name",
  isRequired: true,
  kind: 'kernel',
} as const satisfies ArgumentDefinition;
