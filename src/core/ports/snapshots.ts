import type { Abortable } from '../../base/abort.ts';
import type { VmNetwork, VmShape } from '../../protocol/vm.ts';
import type { SavedBy } from './saved-by.ts';
import type { CapturePlace } from './vm-files.ts';
import type { SavedGuest } from './vmm/saving.ts';
import type { DriveSpec } from './vmm/spec.ts';

/** What the VM was when its snapshot was made; a VM restored from it must be the same. */
export interface SnapshotFacts {
  shape: VmShape;
  network: VmNetwork;
  /** what saved the guest; absent in snapshots of older versions of banger */
  savedBy?: SavedBy;
}

/** A VM at one moment: memory, devices, drives. Never changed once made. */
export interface StoredSnapshot {
  tag: string;
  facts: SnapshotFacts;
  saved: SavedGuest;
  /** the writable drives, to be copied */
  drives: readonly DriveSpec[];
  createdAt: string;
  /** what its files take on disk */
  diskBytes: number;
}

/** The snapshots of VMs. They are kept beside the VM's drives and deleted with the VM. */
export interface VmSnapshots {
  /**
   * Makes a snapshot with `work`, which writes the saved guest and the drives to the place and returns the
   * drives' specs. Nothing is left after a failure.
   *
   * @throws {AppError} SNAPSHOT_EXISTS, HOST_NO_SPACE; what `work` throws.
   */
  make(
    vmId: string,
    request: {
      tag: string;
      facts: SnapshotFacts;
      work: (place: Pick<CapturePlace, 'dir' | 'saved'>) => Promise<readonly DriveSpec[]>;
    },
    options: Abortable,
  ): Promise<StoredSnapshot>;
  /** The snapshots whose files have the right sizes, oldest first. */
  list(vmId: string): Promise<StoredSnapshot[]>;
  /**
   * Finds a snapshot and verifies its device state. @throws {AppError} SNAPSHOT_NOT_FOUND, SNAPSHOT_DAMAGED
   */
  get(vmId: string, tag: string): Promise<StoredSnapshot>;
  /** Removes what a crashed daemon left half-made. Idempotent. */
  sweep(vmId: string): Promise<void>;
  /** @throws {AppError} SNAPSHOT_NOT_FOUND */
  delete(vmId: string, tag: string): Promise<void>;
}
