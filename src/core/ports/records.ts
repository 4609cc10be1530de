import type { Accelerator, VmForward, VmNetwork, VmShape, VmState, VmWorkspace } from '../../protocol/vm.ts';
import type { RunConfig } from '../rules/image-environment.ts';
import type { GuestArch } from './images/guest-arch.ts';
import type { SavedBy, SavedGuestKind } from './saved-by.ts';
import type { VmmProcess } from './vmm/running-vm.ts';
import type { DriveBase, DriveSpec } from './vmm/spec.ts';

/**
 * What the daemon keeps on disk about one VM: intent, and the name of every host resource, written before the
 * resource is made. For what is really running, the daemon asks the kernel and the VMM.
 */
export interface VmRecord {
  id: string;
  name: string;
  state: VmState;
  imageName: string;
  imageId: string;
  kernelName: string;
  /** absent in records of earlier versions, whose guests have the host's */
  arch?: GuestArch;
  /** what its image says about the programs in it; absent when that says nothing */
  imageConfig?: RunConfig;
  /**
   * the user to whom commands, the working tree and logins belong; absent: none was asked for,
   * so that it is root, or whom the image names. `root` is root whatever the image says
   */
  user?: string;
  shape: VmShape;
  /** what its guest is connected to from its next start on, and now if it runs */
  network: VmNetwork;
  /** ports of the host's loopback at which its guest was given proxies; absent: none */
  proxyPorts?: readonly number[];
  /**
   * the VM's own address on this host's loopback, for its whole life; absent in records of earlier versions,
   * until a daemon starts
   */
  guestIp?: string;
  ephemeral: boolean;
  /** what banger itself uses it for: lists leave it out, no daemon leaves it running; absent: a user's VM */
  purpose?: 'builder';
  driverName: string;
  /** absent until the drives are made */
  drives?: readonly DriveSpec[];
  /** the base of the work disk, in the VM's own folder; absent: the VM began with a blank work disk */
  workBase?: DriveBase;
  /** the VMM that was started last; it may have exited */
  runtime?: {
    vmm: VmmProcess;
    accelerator: Accelerator;
    startedAt: string;
    /**
     * the kind of saved guest that this VMM writes; absent when its driver cannot save, or an older version
     * of banger started it
     */
    savedGuestKind?: SavedGuestKind;
  };
  workspace?: VmWorkspace;
  /**
   * present from the moment at which a copy of a working tree changes the guest until it has ended; `isFirst`
   * when the guest had nothing there
   */
  copying?: { guestPath: string; isFirst?: true };
  /**
   * present while the suspended guest may not be on the disk yet: the host boot (`VmFiles.hostBoot`) in which
   * it was written
   */
  unsyncedIn?: string;
  /** ports that the user forwards, whether or not something in the guest listens */
  forwards?: readonly VmForward[];
  /** TCP ports on which a suspended guest listened */
  listeningPorts?: readonly number[];
  /** what saved the guest of a suspended VM */
  savedBy?: SavedBy;
  /**
   * a second VMM of this VM may run beside that of `runtime`: one that will replace it, or one that was
   * replaced
   */
  hasSecondVmm?: true;
  lastError?: { code: string; message: string };
  createdAt: string;
  updatedAt: string;
}

/** A record that cannot be read; only this is known of its VM. */
export interface DamagedRecord {
  id: string;
  name: string;
  /** for people */
  problem: string;
}

/** The durable store of records. Each call is one transaction, on disk when it returns. */
export interface VmRecords {
  /** All readable records; the others are in {@link VmRecords.damaged}. */
  list(): VmRecord[];
  /** `undefined` also when the record is damaged. */
  get(id: string): VmRecord | undefined;
  /** The records that cannot be read. They and all files of their VMs stay until the user deletes them. */
  damaged(): DamagedRecord[];
  /**
   * @throws {AppError} VM_NAME_TAKEN when a VM of that name exists; HOST_NO_SPACE before the last space is
   * used up, which the others need
   */
  insert(record: VmRecord): void;
  /**
   * Replaces the record of the same id and stamps `updatedAt`.
   *
   * @throws {AppError} VM_NAME_TAKEN when its name is new and another VM has it; HOST_NO_SPACE; BugError when
   * there is no such record.
   */
  update(record: VmRecord): VmRecord;
  /** Updates all of them or, after a failure, none; as {@link VmRecords.update}. */
  updateAll(records: readonly VmRecord[]): VmRecord[];
  /** Idempotent. */
  delete(id: string): void;
}
