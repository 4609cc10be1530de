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

/** Body of `POST /v1/vms/REF/workspace/pull`. */
export const pullWorkspaceRequest = closedObject({
  dryRun: optional(truth('only say what would be changed')),
  conflicts: optional(oneOf(PULL_CONFLICTS, 'default: `refuse`')),
  expected: optional(
    text('digest of a pull with `dryRun`: if something else would be changed by now, nothing is'),
  ),
  umask: optional(
    integer('permission bits that new files do not get; default: 18', { minimum: 0, maximum: 0o777 }),
  ),
});
export type PullWorkspaceRequest = ValueOf<typeof pullWorkspaceRequest>;

const pulledPath = object({
  path: text('below the top of the working tree'),
  action: oneOf(['add', 'modify', 'merge', 'delete'], '`merge`: both sides have changed it'),
});

/** A file that a pull changes. */
export type PulledPath = ValueOf<typeof pulledPath>;

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
