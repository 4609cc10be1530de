import type { Abortable } from '../../../base/abort.ts';
import type { Accelerator } from '../../../protocol/vm.ts';
import type { Packages } from '../../rules/host-packages.ts';
import type { GuestArch } from '../images/guest-arch.ts';
import type { SavedGuestParts } from '../saved-by.ts';
import type { RunningVm, VmmProcess } from './running-vm.ts';
import type { GuestSaver, RestoreOptions, SavedGuest } from './saving.ts';
import type { BootSource, DriveBase, DriveRequest, DriveSpec, VmSpec, WorkDiskRequest } from './spec.ts';

/** Whether and how well a driver works on this host. */
export interface DriverProbe {
  isUsable: boolean;
  /** name and version of the VMM, when found */
  version?: string;
  /** the version with which the driver was tested, where that is not each one it accepts */
  testedVersion?: string;
  accelerator?: Accelerator;
  /** guests have another architecture than this host, so they are emulated */
  isForeign?: true;
  /**
   * stands for all that a saved guest depends on besides its own spec: VMM, its options, accelerator,
   * processor. Absent when the driver cannot save guests, or the accelerator is not known yet.
   */
  savedGuestKey?: string;
  /**
   * what the key is made of, in parts that can be named; there when the key is, and less strict: two keys may
   * have the same parts
   */
  savedGuestParts?: SavedGuestParts;
  /** why the accelerator is not KVM, or why the driver is not usable */
  reason?: string;
  /** the one next step for that reason, where it differs from that of the check that shows it */
  hint?: string;
  /** packages that would fix it, by package manager */
  packages?: Packages;
}

/**
 * What a driver may lack:
 *
 * - `network`: a network of the mode `user`
 * - `save`: a paused guest in files, as {@link GuestSaver.save} and {@link VmDriver.restore} need it
 * - `capture`: a copy of a running guest, as {@link GuestSaver.capture} makes it
 */
export type DriverFeature = 'network' | 'save' | 'capture';

/**
 * One VMM. Every driver passes `test/conformance/vm-driver`. Call order: probe, prepareDrives, start, restore
 * or adopt, kill; growDrive while no VMM uses the drive.
 */
export interface VmDriver {
  readonly name: string;
  /** what its VMs cannot do, and why, in a sentence that names the VMM */
  readonly lacks: Readonly<Partial<Record<DriverFeature, string>>>;
  /**
   * Checks the host, changes nothing. KVM counts as usable only when `boot` has booted on it to our
   * initramfs; the result is cached per host boot, kernel file and VMM version. Without `boot` (no kernel has
   * been built yet) the driver finds only what needs no test boot, and `accelerator` is absent where a test
   * boot would decide. `arch` is that of the guests; default: that of `boot`, else this host's.
   */
  probe(boot: BootSource | undefined, options: Abortable & { arch?: GuestArch }): Promise<DriverProbe>;
  /**
   * Whether guests can have a network of the mode `user` here; changes nothing. Call it for a usable driver
   * only.
   */
  probeNetwork(options: Abortable): Promise<Pick<DriverProbe, 'isUsable' | 'reason'>>;
  /**
   * Makes the two writable drives of a new VM in `dir`, blank or as copies, and returns the specs of all four
   * drives. Nothing is left after a failure.
   *
   * @throws {AppError} HOST_NO_SPACE, VMM_TOOL_MISSING.
   */
  prepareDrives(request: DriveRequest, options: Abortable): Promise<readonly DriveSpec[]>;
  /**
   * Puts `file` into `dir`, the {@link VmSpec.baseDir} of a VM, as the base of its work disk: a link or,
   * where that is impossible, a copy. It stays whatever becomes of `file`, whose content must not change.
   * Idempotent. Nothing is left after a failure.
   *
   * @throws {AppError} VMM_DRIVE_INVALID when the file is missing or does not consist of whole pages;
   * HOST_NO_SPACE.
   */
  addBase(request: { file: string; dir: string }, options: Abortable): Promise<DriveBase>;
  /**
   * Makes a work disk of its own for a VM that has another: with `workBase`, or blank. It is for
   * `RunningVm.replaceDrive`. Nothing is left after a failure.
   *
   * @throws {AppError} as {@link VmDriver.prepareDrives}.
   */
  prepareWorkDisk(request: WorkDiskRequest, options: Abortable): Promise<DriveSpec>;
  /** Removes the files of writable drives that no VMM uses. Idempotent. */
  removeDrives(drives: readonly DriveSpec[]): Promise<void>;
  /**
   * Starts the VMM detached: it outlives this process. Returns when its control socket answers and the guest
   * runs. Nothing is left after a failure or an abort.
   *
   * @throws {AppError} VMM_NOT_FOUND, VMM_START_FAILED (with the tail of its log).
   */
  start(spec: VmSpec, options: Abortable): Promise<RunningVm>;
  /**
   * Starts the VMM detached with a saved guest in it, which runs at once. `spec` has the shape, kernel and
   * drives that the guest was saved with; the drive files are as of that moment. A saved guest may be
   * restored with another network. The saved files are only read, and may be removed while the VM runs. After
   * a failure or an abort nothing is left; the drives have changed if the guest has run.
   *
   * @throws {AppError} VMM_RESTORE_FAILED when the VMM rejects the saved guest; as
   * {@link VmDriver.start}.
   */
  restore(spec: VmSpec, saved: SavedGuest, options: RestoreOptions): Promise<RunningVm>;
  /**
   * Takes over a VMM that an earlier daemon started; returns `undefined` when it no longer runs, or its pid
   * belongs to another process. Waits for a VMM that does not answer as long as its process lives, and calls
   * `onSilent` once when that takes longer than a moment. Changes nothing in the guest. The VMM's sockets may
   * also be in a folder inside `runtimeDir`.
   */
  adopt(
    spec: Pick<VmSpec, 'vmId' | 'runtimeDir' | 'consoleLogPath'>,
    options: Abortable & { onSilent?: () => void },
  ): Promise<RunningVm | undefined>;
  /**
   * Ids of the VMs whose VMM runs as this user with sockets or files in one of these folders, whether the
   * daemon has a record of them or not.
   */
  listRunning(options: { vmRuntimeDir: string; vmsDir: string }): Promise<string[]>;
  /**
   * Kills every VMM of this VM, also one that is not in the record (which may be older than the process), and
   * removes its sockets. Idempotent.
   */
  killStray(
    spec: Pick<VmSpec, 'vmId' | 'runtimeDir' | 'consoleLogPath'>,
    options?: KillStrayOptions,
  ): Promise<void>;
  /** Removes what a process that died left half-made in the driver's own folders. Idempotent. */
  sweep(): Promise<void>;
  /**
   * Makes a writable drive of a stopped VM larger and returns its new spec. Its content stays, and its file
   * system grows at the next boot. Idempotent: a drive that already has the size, as after a crash, is left
   * alone. After a failure the drive is unchanged.
   *
   * @throws {AppError} VMM_DRIVE_INVALID when the size is impossible or smaller, or the file is missing;
   * HOST_NO_SPACE, VMM_TOOL_MISSING.
   */
  growDrive(drive: DriveSpec, sizeBytes: number): Promise<DriveSpec>;
  /**
   * Writes the content of a writable drive without a base, which no VMM has open, to the new sparse file
   * `target`, as a guest sees it. Nothing is left after a failure or an abort.
   *
   * @throws {AppError} VMM_DRIVE_INVALID when the drive is damaged, missing, or has a base; HOST_NO_SPACE,
   * VMM_TOOL_MISSING.
   */
  readDrive(drive: DriveSpec, options: Abortable & { target: string }): Promise<void>;
}

/** How {@link VmDriver.killStray} treats the VMM's guest. */
export interface KillStrayOptions {
  /**
   * the guest's drives will be used again: a VMM that cannot be asked to flush them, because its sockets are
   * gone, gets the time in which the guest's kernel writes them out by itself
   */
  isGuestKept?: boolean;
  /** aborts when the VM has to be gone now; ends that wait */
  givenUp?: AbortSignal;
  /** a VMM to leave running, with its sockets */
  except?: VmmProcess;
}
