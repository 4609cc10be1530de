import type { Abortable } from '../../base/abort.ts';
import type { SavedGuest } from './vmm/saving.ts';

/** The folders that belong to one VM on the host. */
export interface VmFolders {
  /** drives and logs; outlives the VMM */
  dir: string;
  /** sockets; gone after a host reboot */
  runtimeDir: string;
  consoleLogPath: string;
  vmmLogPath: string;
  /** the guest while it is suspended */
  suspended: SavedGuest;
}

/**
 * A folder for a copy of a running guest; disposing removes it. A VM that is restored from it does not need
 * it any more.
 */
export interface CapturePlace extends AsyncDisposable {
  dir: string;
  saved: SavedGuest;
}

/** The guest's serial console, or the VMM's own output. */
export type LogKind = 'console' | 'vmm';

/** Makes and removes the per-VM folders. */
export interface VmFiles {
  /** Names only, makes nothing. */
  folders(vmId: string): VmFolders;
  /** Makes the folders with mode 0700. Idempotent. @throws {AppError} HOST_NO_SPACE */
  create(vmId: string): Promise<VmFolders>;
  /** Makes the runtime folder of a VM that does not run, or empties it of second ones. Idempotent. */
  createRuntime(vmId: string): Promise<void>;
  /**
   * Makes an empty folder in the VM's runtime folder, for a second VMM of it while the first runs, and
   * returns its path. @throws {AppError} HOST_NO_SPACE
   */
  createSecondRuntime(vmId: string): Promise<string>;
  /**
   * Removes the folders of {@link createSecondRuntime} that are empty, as one is when its VMM has ended.
   * Idempotent.
   */
  sweepRuntimes(vmId: string): Promise<void>;
  /**
   * Makes an empty folder for {@link VmFolders.suspended}; what was in it is gone. @throws {AppError}
   * HOST_NO_SPACE
   */
  createSuspended(vmId: string): Promise<void>;
  /**
   * Makes the suspended guest durable: it outlives the host's power from then on. @throws {AppError}
   * HOST_NO_SPACE
   */
  syncSuspended(vmId: string): Promise<void>;
  /** Names this run of the host: another one comes after its power was off. */
  hostBoot(): Promise<string>;
  /** Removes the suspended guest, if there is one. Idempotent. */
  removeSuspended(vmId: string): Promise<void>;
  /** Makes a folder for a copy of the VM's guest, beside its drives. @throws {AppError} HOST_NO_SPACE */
  openCapture(vmId: string): Promise<CapturePlace>;
  /** Makes an empty folder for other drives than those that the VM has. @throws {AppError} HOST_NO_SPACE */
  createDriveDir(vmId: string): Promise<string>;
  /**
   * Makes drives durable, and their names: they outlive the host's power from then on. @throws {AppError}
   * HOST_NO_SPACE
   */
  syncDrives(vmId: string, drivePaths: readonly string[], options: Abortable): Promise<void>;
  /**
   * Removes the VM's drives that are none of `drivePaths`, and the folders of {@link createDriveDir} that
   * have none of these. When there are any, those that stay are made durable first, unless the caller has
   * done so (`areDurable`). Idempotent.
   */
  sweepDrives(vmId: string, drivePaths: readonly string[], options?: { areDurable?: boolean }): Promise<void>;
  /** Removes copies that a daemon that died left. Idempotent; none may be under way. */
  sweepCaptures(vmId: string): Promise<void>;
  /**
   * Writes the file that OpenSSH knows the VM's host key from, in the VM's folder, and gives its path.
   * @throws {AppError} HOST_NO_SPACE
   */
  writeKnownHosts(vmId: string, content: string): Promise<string>;
  /**
   * Removes both folders and all in them. Idempotent. What a file system keeps because a program has it open
   * goes with {@link VmFiles.sweep}.
   */
  remove(vmId: string): Promise<void>;
  /** Removes what {@link VmFiles.remove} had to leave, unless it is still in use. Idempotent. */
  sweep(): Promise<void>;
  /** Ids that have a folder, with or without a record. */
  list(): Promise<string[]>;
  /**
   * @throws {AppError} HOST_NO_SPACE when fewer than `neededBytes` are free where VMs live; `what` is wanted,
   * by default "a VM"
   */
  requireSpace(neededBytes: number, what?: string): Promise<void>;
  /** What a file takes on the disk, holes not counted; 0 when it is not there. */
  allocatedBytes(path: string): Promise<number>;
  /**
   * The last lines of a log that are not empty; none when there is no log, or nothing was written to it since
   * `sinceMs` (of 1970).
   */
  logTail(
    vmId: string,
    kind: LogKind,
    lines: number,
    options?: { sinceMs?: number | undefined },
  ): Promise<string[]>;
}
