import { closedObject, list, object, optional, text, truth } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { bytes, time } from './common.ts';

/** A base image: a work disk with a repository in it, from which new VMs start. */
export const workspaceBase = object({
  key: text('64 hex digits'),
  repoRoot: text('top of the working tree'),
  image: text('whose /root comes first'),
  diskSizeBytes: bytes(),
  diskBytes: bytes(),
  createdAt: time(),
  lastUsedAt: time(),
});
export type WorkspaceBase = ValueOf<typeof workspaceBase>;

/** Answer of `GET /v1/workspaces/bases`, and of pruning: those that were deleted. */
export const workspaceBases = object({ bases: list(workspaceBase) });

/** Body of `POST /v1/workspaces/bases/prune`. */
export const pruneBasesRequest = closedObject({
  all: optional(truth('delete every base image that is not in use')),
  dryRun: optional(truth('only say which would be deleted')),
});
export type PruneBasesRequest = ValueOf<typeof pruneBasesRequest>;
