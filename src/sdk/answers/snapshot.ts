import type { Snapshot } from '../../protocol/api/snapshot.ts';
import { type GuardOf, isNumber, isText, listOf, shapeOf } from '../guards.ts';
import { isShape } from './vm.ts';

/** A snapshot. */
export const isSnapshot: GuardOf<Snapshot> = shapeOf<Snapshot>({
  tag: isText,
  shape: isShape,
  diskBytes: isNumber,
  createdAt: isText,
});

/** Answer of `GET /v1/vms/REF/snapshots`. */
export const isSnapshotList: GuardOf<{ snapshots: Snapshot[] }> = shapeOf<{ snapshots: Snapshot[] }>({
  snapshots: listOf(isSnapshot),
});
