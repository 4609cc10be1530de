import type { StoredSnapshot } from '../../core/ports/snapshots.ts';
import { findVm } from '../../core/vms/find-vm.ts';
import { restoreSnapshot } from '../../core/vms/saved/restore-snapshot.ts';
import { createSnapshot } from '../../core/vms/saved/snapshot-vm.ts';
import { vmView } from '../../core/vms/vm-view.ts';
import { done } from '../../protocol/api/common.ts';
import * as schemas from '../../protocol/api/snapshot.ts';
import { vm } from '../../protocol/vm.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of VMs' snapshots. */
export const SNAPSHOT_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/snapshots',
    summary: 'Snapshots of a VM, oldest first',
    answer: schemas.snapshotList,
    run: async ({ app, params }) => {
      const { id } = findVm(app.world.records, params['ref'] ?? '');
      return { snapshots: (await app.world.snapshots.list(id)).map(snapshotView) };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/snapshots',
    summary: 'Save the current memory and drives of a running VM, which keeps running',
    body: schemas.createSnapshotRequest,
    answer: schemas.snapshot,
    run: async ({ app, params, body, signal, report }) => ({
      value: snapshotView(
        await createSnapshot(app.world, params['ref'] ?? '', { tag: body.tag, signal, report }),
      ),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/snapshots/:tag/restore',
    summary:
      'Restore a VM to a snapshot and resume it from there; its current state is discarded once the restored VM runs',
    body: schemas.restoreSnapshotRequest,
    answer: vm,
    run: async ({ app, params, body, signal, report }) => ({
      value: vmView(
        await restoreSnapshot(app.world, params['ref'] ?? '', {
          tag: params['tag'] ?? '',
          isCold: body.cold,
          signal,
          report,
        }),
      ),
    }),
  }),
  jsonRoute({
    method: 'DELETE',
    path: '/vms/:ref/snapshots/:tag',
    summary: 'Delete a snapshot',
    answer: done,
    run: async ({ app, params }) => {
      const { id } = findVm(app.world.records, params['ref'] ?? '');
      await app.world.snapshots.delete(id, params['tag'] ?? '');
      return {};
    },
  }),
];

function snapshotView({ tag, facts, diskBytes, createdAt }: StoredSnapshot): schemas.Snapshot {
  return { tag, shape: facts.shape, diskBytes, createdAt };
}
