import type { Abortable } from '../../../base/abort.ts';
import type { VmmSignal } from '../../../protocol/vmm-signal.ts';
import type { GuestEndpoint } from '../guest.ts';
import type { LearnedNetwork, NetworkCheck, NetworkSpec, NetworkState } from './network.ts';
import type { GuestSaver } from './saving.ts';
import type { DriveSpec } from './spec.ts';

/** Identifies one process: the kernel may reuse a pid alone. */
export interface VmmProcess {
  pid: number;
  /** `starttime` of proc(5) /proc/PID/stat, in clock ticks since boot */
  startTicks: number;
}

/** What a VMM process uses of the host. */
export interface VmmUsage {
  /** includes its share of pages that several processes use */
  memoryBytes: number;
  /** time of the host's processors since its start */
  cpuMs: number;
}

/** What a VMM process has done since its start; zeros once it has exited. */
export interface VmmActivity {
  /** time of the host's processors */
  cpuMs: number;
  /** written to the host's files */
  writtenBytes: number;
}

/** A VM whose VMM runs. */
export interface RunningVm extends GuestSaver {
  readonly vmm: VmmProcess;
  readonly guestEndpoint: GuestEndpoint;
  /**
   * settles when the VMM process is gone, never rejects; after {@link detach} it may stay pending for ever
   */
  readonly exited: Promise<void>;
  /**
   * what ended the VMM in order: the guest powered off, or a signal to its process; absent while it runs, and
   * when it died without reporting either
   */
  readonly end?: 'guest' | 'signal' | undefined;
  /**
   * the host has no space for what the guest writes: the VMM has paused the guest, which loses nothing and
   * runs again by itself when there is space
   */
  readonly isStalled: boolean;
  /** the VMM has paused the guest, for this daemon or for another client, and has reported it */
  readonly isPaused: boolean;
  /** the process that opens the guest's connections, when it has a network */
  readonly networkProcess: VmmProcess | undefined;
  /**
   * Connects the guest's network interface as `network` says, or cuts it off: then no packet leaves, whatever
   * the guest does. The guest sees the same interface in all cases; the agent has to set its addresses. Takes
   * effect at once. A network that the VM has already only gets the new settings, and its connections stay,
   * also when an earlier daemon made it. Idempotent.
   *
   * @throws {AppError} NETWORK_FAILED, VMM_LOST, VMM_REFUSED; the guest is cut off then.
   */
  setNetwork(network: NetworkSpec, options: Abortable): Promise<void>;
  /** What the guest's network has done; `undefined` when it has none. @throws {AppError} NETWORK_LOST */
  networkState(options: Abortable): Promise<NetworkState | undefined>;
  /**
   * What the guest's network would do with a connection to `target`, a rule for one port of one host;
   * `undefined` when it has none. @throws {AppError} NETWORK_LOST
   */
  checkNetwork(target: string, options: Abortable): Promise<NetworkCheck | undefined>;
  /**
   * Rules for what the guest has used since its network began to learn; `undefined` when it does not learn.
   *
   * @throws {AppError} NETWORK_LOST
   */
  learnedNetwork(options: Abortable): Promise<LearnedNetwork | undefined>;
  /**
   * Puts another file below the drive with this serial while the guest runs: from then on the guest reads
   * and writes `drive`, which has the size of the earlier one. The guest must not use the drive, and must
   * forget what it has read of it. Afterwards the VMM has closed the earlier file. After a failure the guest
   * may have either, so the caller ends the VMM.
   *
   * @throws {AppError} VMM_DRIVE_INVALID, VMM_REFUSED, VMM_LOST.
   */
  replaceDrive(drive: DriveSpec, options: Abortable): Promise<void>;
  /** What the VMM uses; zeros once it has exited. */
  usage(): Promise<VmmUsage>;
  /** Whether the VMM answers its control connection in time; false once it has exited. Changes nothing. */
  responds(options: Abortable & { withinMs: number }): Promise<boolean>;
  /** What the VMM has done; quicker than {@link usage}. */
  activity(): Promise<VmmActivity>;
  /**
   * Ends the VMM without asking the guest; settles when the process is gone and its sockets are removed.
   * Every write that the guest saw completed is then in the drive files, unless `areDrivesGivenUp`: then it
   * ends at once, and what they contain is undefined. Idempotent.
   *
   * @throws {AppError} VMM_KILL_FAILED when the process does not exit (it hangs in the kernel).
   */
  kill(options?: { areDrivesGivenUp?: boolean }): Promise<void>;
  /**
   * Sends the VMM process a signal; does nothing once it has exited. How the VMM reacts is up to it: only
   * {@link kill} makes sure that it ends.
   */
  signal(name: VmmSignal): Promise<void>;
  /**
   * Calls `listener` each time the guest runs again after its VMM had paused it, no matter who asked for it,
   * until {@link detach}. A guest that waited for disk space counts as resumed once it is no longer
   * {@link isStalled}.
   */
  onResume(listener: () => void): void;
  /**
   * Releases the control connection and keeps nothing of this process alive; the VM keeps running.
   * Idempotent.
   */
  detach(): void;
}
