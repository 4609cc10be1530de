import { z } from 'zod';
import type { StoredSnapshot } from '../../core/ports/snapshots.ts';
import { findVm } from '../../core/vms/find-vm.ts';
import { restoreSnapshot } from '../../core/vms/saved/restore-snapshot.ts';
import { createSnapshot } from '../../core/vms/saved/snapshot-vm.ts';
import { vmView } from '../../core/vms/vm-view.ts';
import type { Snapshot } from '../../protocol/api/snapshot.ts';
import * as snapshotSchemas from '../../protocol/api/snapshot-schemas.ts';
import * as vmSchemas from '../../protocol/api/vm-schemas.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of VMs' snapshots. */
export const SNAPSHOT_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/snapshots',
    summary: 'Snapshots of a VM, oldest first',
    answer: z.object({ snapshots: z.array(snapshotSchemas.snapshot) }),
    run: async ({ app, params }) => {
      const { id } = findVm(app.world.records, params['ref'] ?? '');
      return { snapshots: (await app.world.snapshots.list(id)).map(snapshotView) };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/snapshots',
    summary: 'Keep a running VM as it is now, memory and drives; it runs on',
    body: snapshotSchemas.createSnapshotRequest,
    answer: snapshotSchemas.snapshot,
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
      'Put a VM back to a snapshot and let it go on from there; what it is now is given up once that runs',
    body: snapshotSchemas.restoreSnapshotRequest,
    answer: vmSchemas.vm,
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
    answer: z.object({}),
    run: async ({ app, params }) => {
      const { id } = findVm(app.world.records, params['ref'] ?? '');
      await app.world.snapshots.delete(id, params['tag'] ?? '');
      return {};
    },
  }),
];

function snapshotView({ tag, facts, diskBytes, createdAt }: StoredSnapshot): Snapshot {
  return { tag, shape: facts.shape, diskBytes, createdAt };
}
