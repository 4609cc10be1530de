import type { Abortable } from '../../base/abort.ts';
import type { SavedGuest } from './vmm/saving.ts';

/** The folders that belong to one VM on the host. */
export interface VmFolders {
  /** drives and logs; outlives the VMM */
  dir: string;
  /** sockets; a host reboot removes it */
  runtimeDir: string;
  /** the base of the work disk, if it has one; the VMM can only read it */
  baseDir: string;
  consoleLogPath: string;
  vmmLogPath: string;
  /** what the VM's network allowed and refused; a full one becomes `<path>.1`, and a new one begins */
  decisionsLogPath: string;
  /** what the host keeps about the working tree that the guest was sent last; made when there is one */
  sentTreeDir: string;
  /** what the host keeps about what was pulled from the guest; made when something is */
  pulledDir: string;
  /** the guest while it is suspended */
  suspended: SavedGuest;
}

/**
 * A folder for a copy of a running guest; disposing removes it. A VM does not need it once it was restored
 * from it.
 */
export interface CapturePlace extends AsyncDisposable {
  dir: string;
  saved: SavedGuest;
}

/** The guest's serial console, or the VMM's own output. */
export type LogKind = 'console' | 'vmm';

/** Makes and removes the per-VM folders. */
export interface VmFiles {
  /** Returns the paths; creates nothing. */
  folders(vmId: string): VmFolders;
  /** Creates the folders with mode 0700. Idempotent. @throws {AppError} HOST_NO_SPACE */
  create(vmId: string): Promise<VmFolders>;
  /** Creates the runtime folder of a stopped VM and removes folders for second VMMs from it. Idempotent. */
  createRuntime(vmId: string): Promise<void>;
  /**
   * Creates an empty folder in the VM's runtime folder, for a second VMM while the first runs, and returns
   * its path. @throws {AppError} HOST_NO_SPACE
   */
  createSecondRuntime(vmId: string): Promise<string>;
  /**
   * Removes those folders of {@link createSecondRuntime} that are empty because their VMM has exited.
   * Idempotent.
   */
  sweepRuntimes(vmId: string): Promise<void>;
  /**
   * Creates an empty folder for {@link VmFolders.suspended}, removing what was in it. @throws {AppError}
   * HOST_NO_SPACE
   */
  createSuspended(vmId: string): Promise<void>;
  /**
   * Makes the suspended guest durable: from then on it survives a power failure of the host. @throws
   * {AppError} HOST_NO_SPACE
   */
  syncSuspended(vmId: string): Promise<void>;
  /** An id of this boot of the host; each boot has a new one. */
  hostBoot(): Promise<string>;
  /** Removes the suspended guest, if there is one. Idempotent. */
  removeSuspended(vmId: string): Promise<void>;
  /** Creates a folder for a copy of the VM's guest, beside its drives. @throws {AppError} HOST_NO_SPACE */
  openCapture(vmId: string): Promise<CapturePlace>;
  /**
   * Creates an empty folder for drives that will replace those of the VM. @throws {AppError} HOST_NO_SPACE
   */
  createDriveDir(vmId: string): Promise<string>;
  /**
   * Makes drives and their names durable: from then on they survive a power failure of the host. @throws
   * {AppError} HOST_NO_SPACE
   */
  syncDrives(vmId: string, drivePaths: readonly string[], options: Abortable): Promise<void>;
  /**
   * Removes the VM's drives that are not in `drivePaths`, and folders of {@link createDriveDir} without any
   * of these. When it has something to remove, it makes the drives that stay durable first, unless the caller
   * has done so (`areDurable`). Idempotent.
   */
  sweepDrives(vmId: string, drivePaths: readonly string[], options?: { areDurable?: boolean }): Promise<void>;
  /** Removes copies that a crashed daemon left. Idempotent; call it only while no copy is being made. */
  sweepCaptures(vmId: string): Promise<void>;
  /**
   * Writes the one file with the ssh host keys of all VMs, unless it has this content; returns its path.
   * @throws {AppError} HOST_NO_SPACE
   */
  writeKnownHosts(content: string): Promise<string>;
  /**
   * Writes the part of ssh_config(5) that names the users of VMs, unless it has this content.
   * @throws {AppError} HOST_NO_SPACE
   */
  writeLoginUsers(content: string): Promise<void>;
  /**
   * Removes the folders and all in them. Idempotent. {@link VmFiles.sweep} deletes what a file system keeps
   * because a program has it open.
   */
  remove(vmId: string): Promise<void>;
  /** Deletes what {@link VmFiles.remove} had to leave, unless it is still in use. Idempotent. */
  sweep(): Promise<void>;
  /** Ids that have a folder, with or without a record. */
  list(): Promise<string[]>;
  /**
   * @throws {AppError} HOST_NO_SPACE when fewer than `neededBytes` are free where VMs live; `what` is wanted,
   * by default "a VM"
   */
  requireSpace(neededBytes: number, what?: string): Promise<void>;
  /** What a file takes on the disk, without its holes; 0 when it does not exist. */
  allocatedBytes(path: string): Promise<number>;
  /**
   * The last non-empty lines of a log; none when there is no log, or it was not written since `sinceMs` (Unix
   * time).
   */
  logTail(
    vmId: string,
    kind: LogKind,
    lines: number,
    options?: { sinceMs?: number | undefined },
  ): Promise<string[]>;
}
