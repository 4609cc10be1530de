import type { VmShape } from '../vm.ts';

export interface CreateSnapshotRequest {
  /** default: the time, as `20260131-235959` in UTC */
  tag?: string;
}

export interface RestoreSnapshotRequest {
  /** boot it with the snapshot's disks, without its memory */
  cold?: boolean;
}

/** A VM as it was at one moment: memory and drives. */
export interface Snapshot {
  tag: string;
  shape: VmShape;
  /** what its files take on disk */
  diskBytes: number;
  createdAt: string;
}
