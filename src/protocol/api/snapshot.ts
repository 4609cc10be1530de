import { closedObject, list, object, optional, text, truth } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { vmShape } from '../vm.ts';
import { bytes, time } from './common.ts';

/** Body of `POST /v1/vms/REF/snapshots`. */
export const createSnapshotRequest = closedObject({
  tag: optional(text('default: the time, as `20260131-235959` in UTC')),
});
export type CreateSnapshotRequest = ValueOf<typeof createSnapshotRequest>;

/** Body of `POST /v1/vms/REF/snapshots/TAG/restore`. */
export const restoreSnapshotRequest = closedObject({
  cold: optional(truth("boot the VM with the snapshot's drives, without its memory")),
});
export type RestoreSnapshotRequest = ValueOf<typeof restoreSnapshotRequest>;

/** A VM as it was at one moment: memory and drives. */
export const snapshot = object({
  tag: text(),
  shape: vmShape,
  diskBytes: bytes(),
  createdAt: time(),
});
export type Snapshot = ValueOf<typeof snapshot>;

/** Answer of `GET /v1/vms/REF/snapshots`. */
export const snapshotList = object({ snapshots: list(snapshot) });
