import type { Abortable } from '../../base/abort.ts';
import type { Accelerator } from '../../protocol/vm.ts';
import type { VmmSignal } from '../../protocol/vmm-signal.ts';
import type { GuestEndpoint } from './guest.ts';
import type { SavedGuestParts } from './saved-by.ts';

/** A host file given to the guest as a block device, found there by its serial. */
export interface DriveSpec {
  serial: 'root' | 'overlay' | 'work' | 'modules';
  pathOnHost: string;
  format: 'raw' | 'qcow2';
  isReadOnly: boolean;
  /** size as the guest sees it, checked at each start: a file that was cut short never reaches a guest */
  sizeBytes: number;
}

/** Kernel, first file system, and kernel command line without what the driver adds (console, clocks). */
export interface BootSource {
  kernelPath: string;
  /**
   * the same kernel as an ELF file, when there is one; drivers that can start it boot faster or can boot
   * nothing else
   */
  vmlinuxPath?: string;
  initrdPath: string;
  bootArgs: readonly string[];
  /** the kernel's `CONFIG_HZ`, when known; lets an emulated kernel boot without measuring its processors */
  timerHz?: number;
}

/** All a driver needs to run one VM. Drivers turn it into argv or requests with a pure function. */
export interface VmSpec {
  vmId: string;
  vcpuCount: number;
  memoryMib: number;
  accelerator: Accelerator;
  bootSource: BootSource;
  drives: readonly DriveSpec[];
  /** what {@link RunningVm.setNat} sets, from the guest's first instruction on */
  hasNat: boolean;
  /**
   * folder of this VM's sockets, exists, mode 0700; a second VMM of a VM has a folder below that of the first
   */
  runtimeDir: string;
  /** serial console output, appended */
  consoleLogPath: string;
  /** the VMM's own stdout and stderr, appended */
  vmmLogPath: string;
}

/** A guest that stands still, in two files that belong together. */
export interface SavedGuest {
  /** all of its memory; sparse */
  memoryPath: string;
  /** the state of its devices and processors, in the VMM's own form; some 100 KB */
  statePath: string;
}

/** Proof of which process is meant: a pid alone may have been given to another. */
export interface VmmProcess {
  pid: number;
  /** `starttime` of proc(5) /proc/PID/stat, in clock ticks since boot */
  startTicks: number;
}

/** What a VMM process uses of the host. */
export interface VmmUsage {
  /** its share of pages that several processes use included */
  memoryBytes: number;
  /** time of the host's processors since its start */
  cpuMs: number;
}

/** What a VMM process has done since its start; nothing when it has gone. */
export interface VmmActivity {
  /** time of the host's processors */
  cpuMs: number;
  /** handed to the host's files */
  writtenBytes: number;
}

/** A VM whose VMM runs. */
export interface RunningVm {
  readonly vmm: VmmProcess;
  readonly guestEndpoint: GuestEndpoint;
  /**
   * settles when the VMM process is gone, never rejects; after {@link detach} it may stay pending for ever
   */
  readonly exited: Promise<void>;
  /**
   * who ended the VMM in order: the guest powered off, or a signal to its process; absent while it runs, and
   * when it died without a word
   */
  readonly end?: 'guest' | 'signal' | undefined;
  /**
   * the host has no space for what the guest writes: it stands still, loses nothing, and goes on by itself
   * when there is space again
   */
  readonly isStalled: boolean;
  /**
   * Lets the guest's network interface reach the outside through the VMM (`core/rules/nat-network.ts`), or
   * cuts it off: then no packet leaves, whatever the guest does. The guest sees the same interface in both
   * cases and must be told its addresses. Takes effect at once, and ends connections that are open.
   * Idempotent.
   *
   * @throws {AppError} VMM_LOST, VMM_REFUSED; the guest is cut off then.
   */
  setNat(hasNat: boolean, options: Abortable): Promise<void>;
  /** What the VMM uses; nothing when it has gone meanwhile. */
  usage(): Promise<VmmUsage>;
  /** Whether the VMM answers its control connection within `ms`; false when it has gone. Changes nothing. */
  responds(options: Abortable & { withinMs: number }): Promise<boolean>;
  /** What the VMM has done; quicker than {@link usage}. */
  activity(): Promise<VmmActivity>;
  /**
   * Ends the VMM without asking the guest; settles when the process is gone and its sockets are removed.
   * Every write that the guest saw completed is in the drive files then. Idempotent.
   *
   * @throws {AppError} VMM_KILL_FAILED when the process does not go away (it hangs in the kernel).
   */
  kill(): Promise<void>;
  /**
   * Sends the VMM process a signal; nothing when it is gone. What becomes of it is the VMM's affair: only
   * {@link kill} makes sure that it ends.
   */
  signal(name: VmmSignal): Promise<void>;
  /**
   * Stops the guest where it is and writes it to `to` (files that must not exist). It stands still then, and
   * its VMM is to be killed: after that the drive files are as the guest left them, and belong to the saved
   * guest. `spec` is what the VM was started with. After a failure or an abort the guest runs on and the
   * files are gone.
   *
   * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
   */
  save(request: { spec: VmSpec; to: SavedGuest }, options: Abortable): Promise<void>;
  /**
   * Writes a copy of the guest as of one moment, and of its writable drives as of the same moment: `drives`
   * are new files, by serial. The guest stands still for `pausedMs` and runs on. `spec` is what the VM was
   * started with. After a failure or an abort the guest runs on and no file is left.
   *
   * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
   */
  capture(request: CaptureRequest, options: Abortable): Promise<{ pausedMs: number }>;
  /** the VMM has paused the guest, on whoever's behalf, and was heard to do so */
  readonly isPaused: boolean;
  /**
   * Calls `listener` each time the guest runs again after its VMM had paused it, on whoever's behalf, until
   * {@link detach}. A guest that waited for disk space counts as resumed once it is no longer
   * {@link isStalled}.
   */
  onResume(listener: () => void): void;
  /**
   * Lets go of the control connection and keeps nothing of this process alive; the VM goes on. Idempotent.
   */
  detach(): void;
}

/** A copy of a running VM that is wanted. */
export interface CaptureRequest {
  spec: VmSpec;
  to: SavedGuest;
  /** new files for copies of the writable drives */
  drives: readonly { serial: DriveSpec['serial']; pathOnHost: string }[];
}

/** Whether and how well a driver works on this host. */
export interface DriverProbe {
  isUsable: boolean;
  /** name and version of the VMM, when found */
  version?: string;
  accelerator?: Accelerator;
  /**
   * stands for all that a saved guest depends on besides its own spec: VMM, its options, accelerator,
   * processor. Absent when the driver cannot save guests, or the accelerator is not known yet.
   */
  savedGuestKey?: string;
  /**
   * what is in the key, in parts that can be named; there when it is, and less strict: two keys may have the
   * same parts
   */
  savedGuestParts?: SavedGuestParts;
  /** why the accelerator is not KVM, or why the driver is not usable */
  reason?: string;
  /** the one next step for that reason, where it is another than that of the check that shows it */
  hint?: string;
  /** packages that would fix it, by package manager */
  packages?: Readonly<Record<'apt' | 'dnf' | 'pacman' | 'zypper', string>>;
}

/** How a saved guest is brought back. */
export interface RestoreOptions extends Abortable {
  /** called when the VMM answers, and is about to read the guest */
  onVmm?: (() => void) | undefined;
  /** called when the guest is there and has not run yet: from then on its drives change */
  beforeRun?: (() => void) | undefined;
}

/**
 * One VMM. Every driver passes `test/conformance/vm-driver`. Call order: probe, prepareDrives, start or
 * adopt, kill; growDrive in between.
 */
export interface VmDriver {
  readonly name: string;
  /**
   * Read-only check of the host. KVM counts as usable only when `boot` has booted on it to our initramfs; the
   * finding is cached per host boot, kernel file and VMM version. Without `boot` (no kernel is there yet)
   * only what needs no test boot is found, and `accelerator` is absent where a test boot would decide.
   */
  probe(boot: BootSource | undefined, options: Abortable): Promise<DriverProbe>;
  /** Whether guests can be connected to the outside here (`nat`); read-only, for a driver that is usable. */
  probeNat(options: Abortable): Promise<Pick<DriverProbe, 'isUsable' | 'reason'>>;
  /**
   * Makes the two writable drives of a new VM in `dir`, blank or as copies, and gives all four as specs.
   * Nothing is left after a failure.
   *
   * @throws {AppError} HOST_NO_SPACE, VMM_TOOL_MISSING.
   */
  prepareDrives(request: DriveRequest, options: Abortable): Promise<readonly DriveSpec[]>;
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
   * Starts the VMM detached with a saved guest in it, which goes on at once. `spec` has the shape, kernel and
   * drives that the guest was saved with; the drive files are as of that moment. NAT may be another than that
   * of a guest that was saved, not of one that was captured. The saved files are only read, and may be
   * removed while the VM runs. Nothing is left after a failure or an abort, but drives that have changed when
   * the guest has run.
   *
   * @throws {AppError} VMM_RESTORE_FAILED when the VMM does not take the saved guest; as
   * {@link VmDriver.start}.
   */
  restore(spec: VmSpec, saved: SavedGuest, options: RestoreOptions): Promise<RunningVm>;
  /**
   * Takes over a VMM that an earlier daemon started; `undefined` when it does not run any more, or is not the
   * process that is meant. One that does not answer is waited for as long as its process lives; `onSilent` is
   * called once when that takes longer than a moment. Changes nothing in the guest. Its sockets may also be
   * below `runtimeDir`.
   */
  adopt(
    spec: Pick<VmSpec, 'vmId' | 'runtimeDir' | 'consoleLogPath'>,
    options: Abortable & { onSilent?: () => void },
  ): Promise<RunningVm | undefined>;
  /**
   * Ids of the VMs of which a VMM of this user runs whose sockets or files are in a folder of one of these,
   * known to us or not.
   */
  listRunning(options: { vmRuntimeDir: string; vmsDir: string }): Promise<string[]>;
  /**
   * Kills whatever VMM of this VM runs, known or not (the record may be older than the process), and removes
   * its sockets. Idempotent.
   */
  killStray(
    spec: Pick<VmSpec, 'vmId' | 'runtimeDir' | 'consoleLogPath'>,
    options?: KillStrayOptions,
  ): Promise<void>;
  /** Removes what a process that died left half-made in the driver's own folders. Idempotent. */
  sweep(): Promise<void>;
  /**
   * Makes a writable drive of a VM that does not run larger; what is on it stays, and its file system grows
   * at the next boot. Idempotent: a drive that has the size already, as after a crash, is left alone. Gives
   * the drive as it is then. A drive is as it was after a failure.
   *
   * @throws {AppError} VMM_DRIVE_INVALID for a size that cannot be or is smaller, or a file that is missing;
   * HOST_NO_SPACE, VMM_TOOL_MISSING.
   */
  growDrive(drive: DriveSpec, sizeBytes: number): Promise<DriveSpec>;
}

/** How {@link VmDriver.killStray} goes about it. */
export interface KillStrayOptions {
  /**
   * the guest's drives are used again: one that cannot be asked to write out what it holds, because the VMM's
   * sockets are gone, gets the time in which its kernel does so by itself
   */
  isGuestKept?: boolean;
  /** its abort ends that time: somebody wants the VM gone now */
  givenUp?: AbortSignal;
  /** runs on, with its sockets */
  except?: VmmProcess;
}

/** Drives of a new VM. */
export interface DriveRequest {
  /** the VM's folder, exists */
  dir: string;
  rootfsPath: string;
  modulesPath: string;
  /** size of the overlay drive: store and linear tail together (`core/overlay-size.ts`) */
  overlayBytes: number;
  diskSizeBytes: number;
  /** drives that no VMM uses, of the same sizes, to copy in place of blank ones */
  copyOf?: readonly DriveSpec[];
}
