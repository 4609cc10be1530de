import type { OptionDefinitions } from '../../program/command.ts';
import { ENV_OPTION, WORKDIR_OPTION } from '../guest-env.ts';
import { TIMEOUT_OPTION } from '../time-limit.ts';
import { TIMINGS } from '../vm-options.ts';

/** Options of `vm exec`. */
export const EXEC_OPTIONS = {
  ...ENV_OPTION,
  ...WORKDIR_OPTION,
  guestPath: {
    type: 'value',
    value: 'folder',
    summary: 'like --workdir, for the working tree in the VM',
    kind: 'other',
    defaultText: () => 'where it was copied to',
  },
  autoPrepare: {
    type: 'flag',
    summary: 'first copy what has changed in the working tree on this host',
  },
  user: {
    type: 'value',
    short: 'u',
    value: 'user',
    summary: 'name or number of the user that runs the command',
    defaultText: () => "the VM's, which is root unless it was made with another",
  },
  ...TIMEOUT_OPTION,
  detach: {
    type: 'flag',
    short: 'd',
    summary: 'start the command as a job that keeps running without banger, and print its id',
  },
  tty: { type: 'flag', short: 't', summary: 'give the command a terminal, even without one here' },
  noTty: { type: 'flag', short: 'T', summary: 'do not give the command a terminal' },
  timings: TIMINGS,
  json: {
    type: 'flag',
    summary:
      'print how the command ended as JSON; its output goes to stderr, and it has no terminal. With --detach, print the job',
  },
} as const satisfies OptionDefinitions;
