import type { OptionDefinitions } from '../../program/command.ts';
import { LOGS_OPTION } from '../fan-out/logs-option.ts';
import { ENV_OPTION } from '../guest-env.ts';

/** Options of `vm matrix`. */
export const MATRIX_OPTIONS = {
  over: {
    type: 'list',
    value: 'KEY=a,b,c',
    summary: 'a variable and its values; may be given several times, for all combinations',
  },
  commits: {
    type: 'value',
    value: 'A..B',
    summary: 'check out each commit of B that A has not, oldest first',
  },
  ...ENV_OPTION,
  jobs: {
    type: 'value',
    short: 'j',
    value: 'count',
    summary: 'how many forks run at the same time, up to 99',
    defaultText: () => 'as many as processors and free memory suit',
  },
  failFast: { type: 'flag', summary: 'end all when one has failed' },
  keepFailed: { type: 'flag', summary: 'keep the forks in which the command failed' },
  logs: LOGS_OPTION,
  json: { type: 'flag', summary: 'print the results as JSON' },
} as const satisfies OptionDefinitions;
