import type { ArgumentDefinition } from '../program/command.ts';

/** The VM that a command is about. */
export const ONE_VM: ArgumentDefinition = {
  name: 'vm',
  summary: "the VM's name, id, or unique start of its id",
  isRequired: true,
  kind: 'vm',
};
