import {
  closedObject,
  count,
  integer,
  list,
  object,
  oneOf,
  optional,
  text,
  truth,
} from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';

/** What a pull does with conflicts: `refuse` changes nothing, `markers` writes them into the files. */
export const PULL_CONFLICTS = ['refuse', 'markers'] as const;

const pullChoice = closedObject({
  path: text('of one of `files`'),
  digest: text('of that file there: when it is another by now, nothing is changed'),
  changes: optional(
    list(
      count(),
      'which runs of removed and added lines, by their numbers from 0 through all hunks; default: all',
    ),
  ),
  keepsMode: optional(truth('whether the file can be executed stays as it is')),
});

/** What of one file is pulled. */
export type PullFileChoice = ValueOf<typeof pullChoice>;

/** Body of `POST /v1/vms/REF/workspace/pull`. */
export const pullWorkspaceRequest = closedObject({
  dryRun: optional(truth('only say what would be changed')),
  hunks: optional(truth('also answer with `files`; needs `dryRun`')),
  choices: optional(list(pullChoice, 'pull only this of what would be changed, and leave the rest')),
  conflicts: optional(oneOf(PULL_CONFLICTS, 'default: `refuse`')),
  expected: optional(
    text('digest of a pull with `dryRun`: if something else would be changed by now, nothing is'),
  ),
  umask: optional(
    integer('permission bits that new files do not get; default: 18', { minimum: 0, maximum: 0o777 }),
  ),
});
export type PullWorkspaceRequest = ValueOf<typeof pullWorkspaceRequest>;

const action = oneOf(['add', 'modify', 'merge', 'delete'], '`merge`: both sides have changed it');

const pulledPath = object({ path: text('below the top of the working tree'), action });

/** A file that a pull changes. */
export type PulledPath = ValueOf<typeof pulledPath>;

const pulledFile = object({
  path: text('below the top of the working tree'),
  action,
  digest: text('names what would be changed in it'),
  patch: text('hunks of a unified diff; empty when only the mode changes, or when the diff cannot be shown'),
  isWhole: truth('only all of its changes can be pulled'),
  note: optional(text('why its diff cannot be shown')),
  oldMode: optional(text('as git has it, for example 100644; absent: there is no file')),
  newMode: optional(text('as git has it; absent: the file is deleted')),
});

/** A file that a pull changes, with the changes. */
export type PulledFile = ValueOf<typeof pulledFile>;

const pullProblem = object({
  path: text('below the top of the working tree'),
  reason: text(),
  isMarked: optional(truth('the conflict is, or would be, in the file')),
});

/** A file that a pull does not change as the guest did, and why. */
export type PullProblem = ValueOf<typeof pullProblem>;

/** Result of `POST /v1/vms/REF/workspace/pull`. */
export const pulledWorkspace = object({
  root: text('the working tree on the host'),
  guestPath: text(),
  isApplied: truth('false with `dryRun`, and when there was nothing to change'),
  paths: list(pulledPath, 'the files that are, or would be, changed'),
  conflicts: list(pullProblem, 'files that both sides have changed in ways that cannot be merged'),
  refused: list(pullProblem, 'files that are not written on the host; while there are any, nothing is'),
  skipped: list(pullProblem, 'changes that are left to the user'),
  digest: text('names what is, or would be, changed'),
  files: optional(list(pulledFile, 'the changes in each of `paths`; only with `hunks`')),
});
export type PulledWorkspace = ValueOf<typeof pulledWorkspace>;

/** Result of `POST /v1/vms/REF/workspace/undo-pull`. */
export const undonePull = object({
  root: text('the working tree on the host'),
  paths: list(text(), 'files that are as they were before the pull'),
});
export type UndonePull = ValueOf<typeof undonePull>;

/** Body of `POST /v1/vms/REF/workspace/branch`. */
export const pullBranchRequest = closedObject({
  name: text('of a branch that does not exist on the host'),
});
export type PullBranchRequest = ValueOf<typeof pullBranchRequest>;

/** Result of `POST /v1/vms/REF/workspace/branch`. */
export const pulledBranch = object({
  root: text('the working tree on the host'),
  branch: text(),
  commit: text('at which the branch is'),
  commitCount: count('commits that were made in the guest'),
  isComplete: truth('the guest has no changes that are not committed'),
});
export type PulledBranch = ValueOf<typeof pulledBranch>;
