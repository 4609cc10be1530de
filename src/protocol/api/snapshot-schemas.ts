import { z } from 'zod';
import { bytes, type Exact, time, vmShape } from './common-schemas.ts';
import type { CreateSnapshotRequest, RestoreSnapshotRequest, Snapshot } from './snapshot.ts';

/** Body of `POST /v1/vms/REF/snapshots`. */
export const createSnapshotRequest = z.strictObject({
  tag: z.string().exactOptional(),
}) satisfies Exact<CreateSnapshotRequest>;

/** Body of `POST /v1/vms/REF/snapshots/TAG/restore`. */
export const restoreSnapshotRequest = z.strictObject({
  cold: z.boolean().exactOptional(),
}) satisfies Exact<RestoreSnapshotRequest>;

/** A snapshot. */
export const snapshot: Exact<Snapshot> = z.object({
  tag: z.string(),
  shape: vmShape,
  diskBytes: bytes,
  createdAt: time,
});
