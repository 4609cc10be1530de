import { pullBranch } from '../../core/vms/workspace/pull/pull-branch.ts';
import { pullWorkspace, undoPull } from '../../core/vms/workspace/pull/pull-workspace.ts';
import * as schemas from '../../protocol/api/workspace-pull.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of what comes back from guests into working trees of the host. */
export const PULL_ROUTES: readonly Route[] = [
  workRoute({
    method: 'POST',
    path: '/vms/:ref/workspace/pull',
    summary: 'Merge what a running guest has changed into the working tree that was copied into it',
    body: schemas.pullWorkspaceRequest,
    answer: schemas.pulledWorkspace,
    run: async ({ app, params, body, signal, report }) => ({
      value: await pullWorkspace(app.world, params['ref'] ?? '', { request: body, signal, report }),
    }),
  }),
  jsonRoute({
    method: 'POST',
    path: '/vms/:ref/workspace/undo-pull',
    summary: 'Take back the last pull into the working tree that was copied into a VM',
    answer: schemas.undonePull,
    run: ({ app, params, signal }) => undoPull(app.world, params['ref'] ?? '', { signal }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/workspace/branch',
    summary: 'Make a branch of the commits that were made in a running guest, in the repository on the host',
    body: schemas.pullBranchRequest,
    answer: schemas.pulledBranch,
    run: async ({ app, params, body, signal, report }) => ({
      value: await pullBranch(app.world, params['ref'] ?? '', { request: body, signal, report }),
    }),
  }),
];
