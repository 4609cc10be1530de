import type { OptionDefinitions } from '../../program/command.ts';
import { ENV_OPTION, WORKDIR_OPTION } from '../guest-env.ts';
import { TIMINGS } from '../vm-options.ts';

/** Options of `vm exec`. */
export const EXEC_OPTIONS = {
  ...ENV_OPTION,
  ...WORKDIR_OPTION,
  guestPath: {
    type: 'value',
    value: 'folder',
    summary: 'as --workdir, for the working tree that the VM was given',
    kind: 'other',
    defaultText: () => 'where it was copied to',
  },
  autoPrepare: {
    type: 'flag',
    summary: 'copy the working tree anew first when its HEAD has moved on this host',
  },
  user: {
    type: 'value',
    short: 'u',
    value: 'user',
    summary: 'name or number of the user it runs as',
    defaultText: () => 'root',
  },
  tty: { type: 'flag', short: 't', summary: 'give the command a terminal, whatever ours is' },
  noTty: { type: 'flag', short: 'T', summary: 'give it none' },
  timings: TIMINGS,
  json: {
    type: 'flag',
    summary: "print how it ended as JSON; all of the command's output goes to stderr, and it has no terminal",
  },
} as const satisfies OptionDefinitions;
