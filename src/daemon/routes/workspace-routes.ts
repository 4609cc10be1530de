import type { StoredBase } from '../../core/ports/work-disk-bases.ts';
import { findVm } from '../../core/vms/find-vm.ts';
import { claimEarly } from '../../core/vms/pool/early-claim.ts';
import { pruneBases } from '../../core/vms/saved/prune-cache.ts';
import { remakeIfFarBehind } from '../../core/vms/workspace/base-of-new-vm.ts';
import { prepareWorkspace } from '../../core/vms/workspace/prepare-workspace.ts';
import { openTree } from '../../core/vms/workspace/tree-of-new-vm.ts';
import * as schemas from '../../protocol/api/workspace.ts';
import { pruneBasesRequest, type WorkspaceBase, workspaceBases } from '../../protocol/api/workspace-base.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of git working trees. */
export const WORKSPACE_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'POST',
    path: '/workspaces/inspect',
    summary: 'The files of a git working tree that would be sent; touches no VM',
    body: schemas.inspectWorkspaceRequest,
    answer: schemas.workspaceSummary,
    run: ({ app, body: { path, ...content }, signal }) =>
      app.world.workspaces.inspect(path, { ...content, signal }),
  }),
  workRoute({
    method: 'POST',
    path: '/workspaces/pack',
    summary: 'Open a git working tree for a VM that does not exist yet; hanging up ends what it does',
    body: schemas.workspaceChoice,
    answer: schemas.packedWorkspace,
    run: async ({ app, body, signal }) => {
      const { world } = app;
      const tree = await openTree(world, body, { signal, claimEarly: (base) => claimEarly(world, base) });
      const packId = app.packs.add(tree);
      return { value: { packId, summary: tree.summary }, onClientGone: () => app.packs.remove(packId) };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/workspace',
    summary: 'Copy a git working tree of the host into a running guest',
    body: schemas.prepareWorkspaceRequest,
    answer: schemas.preparedWorkspace,
    run: async ({ app, params, body, signal, report }) => {
      const before = app.packs.take(body);
      const ref = params['ref'] ?? '';
      const record = findVm(app.world.records, ref);
      const options = { request: body, before, signal, report };
      const value = await prepareWorkspace(app.world, ref, options);
      const { packId: _, guestPath: __, discardGuest: ___, ...choice } = body;
      remakeIfFarBehind(app.world, record, { choice, bytes: value.bytes });
      return { value };
    },
  }),
  jsonRoute({
    method: 'GET',
    path: '/workspaces/bases',
    summary: 'All base images of repositories, the most recently used first',
    answer: workspaceBases,
    run: async ({ app }) => ({ bases: (await app.world.bases.list()).map(baseView) }),
  }),
  jsonRoute({
    method: 'POST',
    path: '/workspaces/bases/prune',
    summary:
      'Delete base images of repositories that are gone, and the least recently used ones beyond the disk budget',
    body: pruneBasesRequest,
    answer: workspaceBases,
    run: async ({ app, body }) => ({ bases: (await pruneBases(app.world, body)).map(baseView) }),
  }),
];

function baseView({ imageName, ...base }: StoredBase): WorkspaceBase {
  return { ...base, image: imageName };
}
