import type { ArgumentDefinition } from '../program/command.ts';

/** The VM that a command is about. */
export const ONE_VM: ArgumentDefinition = {
  name: 'vm',
  summary: 'name, id or unique id prefix of the VM',
  isRequired: true,
  kind: 'vm',
};
