import type { OptionDefinitions } from '../../program/command.ts';

/** Where the output of commands in forks goes. */
export const LOGS_OPTION = {
  type: 'value',
  value: 'dir',
  kind: 'folder',
  summary: 'folder of the logs, one for each command',
  defaultText: () => 'a new one for temporary files',
} as const satisfies OptionDefinitions[string];
