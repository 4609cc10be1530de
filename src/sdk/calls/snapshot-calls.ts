import type { Abortable } from '../../base/abort.ts';
import {
  type CreateSnapshotRequest,
  type RestoreSnapshotRequest,
  type Snapshot,
  snapshot,
  snapshotList,
} from '../../protocol/api/snapshot.ts';
import type { Vm } from '../../protocol/vm.ts';
import { snapshotPath, vmPath } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** Moments of a VM that are kept. */
export interface SnapshotCalls {
  /** Snapshots of a VM, oldest first. */
  listSnapshots(ref: string, options: Abortable): Promise<Snapshot[]>;
  /** Keeps a running VM as it is now, memory and drives. Cancelled: nothing is left. */
  createSnapshot(ref: string, request: CreateSnapshotRequest, options: Abortable): Work<Snapshot>;
  /**
   * Puts a VM back to a snapshot; with `cold` only its disks, which it boots with. Cancelled or failed: the
   * VM is as it was.
   */
  restoreSnapshot(ref: string, tag: string, options: Abortable & RestoreSnapshotRequest): Work<Vm>;
  deleteSnapshot(ref: string, tag: string, options: Abortable): Promise<void>;
}

/** {@link SnapshotCalls} over one transport. */
export function snapshotCalls(caller: Caller): SnapshotCalls {
  return {
    listSnapshots: async (ref, options) =>
      (await caller.get(vmPath(ref, 'snapshots'), snapshotList, options)).snapshots,
    createSnapshot: (ref, body, { signal }) =>
      caller.work(vmPath(ref, 'snapshots'), snapshot, { body, signal }),
    restoreSnapshot: (ref, tag, { signal, ...body }) =>
      caller.vmWork(snapshotPath(ref, tag, 'restore'), { signal, body }),
    deleteSnapshot: async (ref, tag, options) =>
      await caller.settle('DELETE', snapshotPath(ref, tag), options),
  };
}
