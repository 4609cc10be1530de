/**
 * Where a VM is in its life. `creating` and the other `-ing` states are intents: a daemon that finds one at
 * its start finishes or undoes it. `error` is a VM whose last start failed; its drives are whole.
 */
export const VM_STATES = [
  'creating',
  'created',
  'starting',
  'running',
  'stopping',
  'stopped',
  'suspending',
  'suspended',
  'resuming',
  'deleting',
  'error',
] as const;
export type VmState = (typeof VM_STATES)[number];

/**
 * States of a VM that has no VMM and nothing under way: its shape can be changed, and `vm prune` deletes it.
 */
export const RESTING_STATES: readonly VmState[] = ['created', 'stopped', 'error'];

/**
 * What can be waited for. `ready`: running, and its agent answers now; `stopped`: any of
 * {@link RESTING_STATES}.
 */
export const WAIT_CONDITIONS = ['running', 'ready', 'stopped', 'deleted'] as const;
export type WaitCondition = (typeof WAIT_CONDITIONS)[number];

/** How the VMM runs guest code: the host's CPU directly, or QEMU's emulation. */
export const ACCELERATORS = ['kvm', 'tcg'] as const;
export type Accelerator = (typeof ACCELERATORS)[number];

/** Shape of a VM; all that decides which warm template fits. */
export interface VmShape {
  vcpuCount: number;
  memoryMib: number;
  /** work disk, mounted at `/root` */
  diskSizeBytes: number;
  /** free space that the root offers on top of the image */
  systemOverlaySizeBytes: number;
}

/** The git working tree that a VM was last given. */
export interface VmWorkspace {
  guestPath: string;
  sourcePath: string;
  /** commit id, absent in a repository without commits */
  headCommit?: string;
  /** HEAD of `sourcePath` now; only in an answer that was asked for it, and absent when there is none */
  hostHeadCommit?: string;
}

/** A VM as the API shows it (`banger vm show`). Fields are added, never changed. */
export interface Vm {
  id: string;
  name: string;
  state: VmState;
  image: string;
  shape: VmShape;
  /** the guest may open connections to the outside */
  nat: boolean;
  /** deleted when the client that created it goes away (`--rm`) */
  ephemeral: boolean;
  workspace?: VmWorkspace;
  /** present while a VMM runs */
  runtime?: { vmm: string; accelerator: Accelerator; pid: number; startedAt: string };
  lastError?: { code: string; message: string };
  createdAt: string;
  updatedAt: string;
}

/** A VM that was stopped or killed. */
export interface EndedVm extends Vm {
  /** whether its guest wrote its data first, and why not; absent when it did not run */
  ending?: { synced: boolean; reason?: string };
}
