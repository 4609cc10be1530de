import type { OptionDefinitions } from '../../program/command.ts';
import { WORKSPACE_OPTIONS } from './workspace-options.ts';

/** Options of `vm workspace prepare`. */
export const PREPARE_OPTIONS = {
  ...WORKSPACE_OPTIONS,
  mode: {
    type: 'value',
    value: 'mode',
    kind: ['shallow_overlay', 'full_copy'],
    summary: 'shallow_overlay: only the newest commits if all of them exceed 512 MiB; full_copy: all commits',
    defaultText: () => 'shallow_overlay',
  },
  guestPath: {
    type: 'value',
    value: 'folder',
    summary: 'absolute path of the copy in the guest',
    defaultText: () => '/root/repo',
  },
  discardGuest: {
    type: 'flag',
    summary: 'give the VM the files of this host, whatever was changed there since the last copy',
  },
  dryRun: { type: 'flag', summary: 'only print which files would be copied' },
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  json: { type: 'flag', summary: 'print what was copied as JSON' },
} as const satisfies OptionDefinitions;

/** Options of `vm workspace sync`. */
export const SYNC_OPTIONS = {
  watch: { type: 'flag', summary: 'keep running, and copy each edit when it is saved; not with --json' },
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  json: { type: 'flag', summary: 'print what was copied as JSON' },
} as const satisfies OptionDefinitions;

const GUEST_PATH = {
  type: 'value',
  value: 'folder',
  summary: 'absolute path of the repository in the guest',
  defaultText: () => 'where the working tree was copied to',
} as const satisfies OptionDefinitions[string];

/** Options of `vm workspace export`. */
export const EXPORT_OPTIONS = {
  output: {
    type: 'value',
    short: 'o',
    value: 'file',
    kind: 'file',
    summary: 'write to this file instead of stdout',
  },
  baseCommit: {
    type: 'value',
    value: 'sha',
    summary: 'the commit at which the changes begin',
    defaultText: () => 'the working tree as it was last copied',
  },
  commits: { type: 'flag', summary: 'the commits made in the VM, instead of a patch' },
  format: {
    type: 'value',
    value: 'format',
    kind: ['bundle', 'am'],
    summary: 'bundle: for git fetch; am: a series of patches for git am, without merges; needs --commits',
    defaultText: () => 'bundle',
  },
  guestPath: GUEST_PATH,
  json: { type: 'flag', summary: 'print what was written as JSON; needs --output' },
} as const satisfies OptionDefinitions;

const BASE_COMMIT = {
  type: 'value',
  value: 'sha',
  summary: 'compare with this commit',
  defaultText: () => 'the working tree as it was last copied',
} as const satisfies OptionDefinitions[string];

/** Options of `vm workspace diff`. */
export const DIFF_OPTIONS = {
  stat: { type: 'flag', summary: 'print how many lines of each file were changed' },
  nameStatus: { type: 'flag', summary: 'print only the names of changed files, and how they were changed' },
  baseCommit: BASE_COMMIT,
  guestPath: GUEST_PATH,
  json: { type: 'flag', summary: 'print the changed files as a JSON array' },
} as const satisfies OptionDefinitions;

/** Options of `vm workspace pull`. */
export const PULL_OPTIONS = {
  dryRun: { type: 'flag', summary: 'only print what would be changed' },
  apply: { type: 'flag', summary: 'change the files without a question' },
  hunks: { type: 'flag', summary: 'ask about each hunk, as git add -p does; needs a terminal' },
  conflicts: {
    type: 'value',
    value: 'how',
    kind: ['refuse', 'markers'],
    summary: 'refuse: change nothing; markers: write both versions into text files',
    defaultText: () => 'refuse',
  },
  undo: { type: 'flag', summary: 'take the last pull back' },
  branch: {
    type: 'value',
    value: 'name',
    summary: 'make this branch of the commits in the VM, and change no file',
  },
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  json: { type: 'flag', summary: 'print what was or would be changed as JSON' },
} as const satisfies OptionDefinitions;
