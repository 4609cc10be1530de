import type { OptionDefinitions } from '../../program/command.ts';
import { LOGS_OPTION } from '../fan-out/logs-option.ts';
import { ENV_OPTION } from '../guest-env.ts';

/** Options of `vm bisect`. */
export const BISECT_OPTIONS = {
  ...ENV_OPTION,
  noVerify: { type: 'flag', summary: 'do not test <good> and <bad> first' },
  clean: {
    type: 'flag',
    summary: 'test each commit in a copy of the VM itself, without what was built for others',
  },
  logs: LOGS_OPTION,
  json: { type: 'flag', summary: 'print what was found, and all tests, as JSON' },
} as const satisfies OptionDefinitions;
