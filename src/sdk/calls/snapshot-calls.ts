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

/** Snapshots of VMs. */
export interface SnapshotCalls {
  /** Snapshots of a VM, oldest first. */
  listSnapshots(ref: string, options: Abortable): Promise<Snapshot[]>;
  /** Saves memory and drives of a running VM. Cancelled: nothing is left. */
  createSnapshot(ref: string, request: CreateSnapshotRequest, options: Abortable): Work<Snapshot>;
  /**
   * Restores a VM from a snapshot; with `cold` only its drives, and boots. Cancelled or failed: the VM is
   * unchanged.
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
