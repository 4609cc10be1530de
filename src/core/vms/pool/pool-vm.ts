import type { Abortable } from '../../../base/abort.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { DriveBase, DriveSpec } from '../../ports/vmm/spec.ts';
import type { VmPlan } from '../plan/vm-plan.ts';

/** A pool VM: restored from a template, warmed up for a first command, not yet claimed by a start. */
export interface PoolVm {
  readonly vmId: string;
  /** of its template */
  readonly key: string;
  readonly memoryMib: number;
  readonly driverName: string;
  readonly drives: readonly DriveSpec[];
  readonly running: RunningVm;
  readonly agent: GuestAgent;
  /** absent: the guest has the template's work disk, blank, and has mounted it */
  readonly workDisk?: PoolWorkDisk;
  /** the claimer disposes of it once the VM has a record or is gone */
  readonly unrecorded: Disposable;
}

/** The work disk of a pool VM that was set aside for a start with a base image. */
export interface PoolWorkDisk {
  /** the guest has mounted a work disk over it; absent: it has none mounted */
  base?: {
    /** of the store of base images */
    file: string;
    workBase: DriveBase;
  };
}

/** The kind of VM that the next start probably needs. */
export interface PoolRequest {
  plan: VmPlan;
  /** of its template */
  key: string;
  /** its work disk is over a base image */
  hasWorkBase: boolean;
}

/**
 * Keeps running pool VMs of the shapes that start. The next start of such a shape claims one and only has to
 * personalise it. There is one, of the shape that was started last; while starts follow each other faster
 * than the pool makes new VMs, there are more, up to a limit and while the host has the memory. They are
 * ended when nothing has been started for a while. A failure here never fails a start.
 */
export interface PoolKeeper extends AsyncDisposable {
  /** the pool VMs that are ready, the one that waits longest first */
  readonly vmIds: readonly string[];
  /** most pool VMs at once */
  readonly most: number;
  /**
   * Hands over a pool VM that was made from this template; the caller then owns it. One that is being made is
   * handed over as soon as its guest answers. Returns `undefined` when there is none, or its making fails.
   *
   * @throws the abort reason; the pool VM that was being made is gone then.
   */
  take(key: string, options: Abortable): Promise<PoolVm | undefined>;
  /**
   * Hands over a pool VM that is ready and fits; the caller then owns it. Returns `undefined` when there is
   * none.
   */
  reserve(isFit: (request: PoolRequest) => boolean): PoolVm | undefined;
  /**
   * Takes back a VM of {@link reserve} as it was. Returns false when the pool is over: the caller still owns
   * the VM then.
   */
  giveBack(vm: PoolVm): boolean;
  /** Prepares for another start like this one, which has just succeeded. Returns at once. */
  want(request: PoolRequest): void;
  /** Prepares for the next start now, because a user's VM has ended and is no longer in the way. */
  vmEnded(): void;
  /**
   * Ends the pool VMs that are ready or being made; with `keys` only those made from these templates. Never
   * rejects.
   */
  drop(keys?: readonly string[]): Promise<void>;
  /** Ends the pool VMs and makes no more. */
  [Symbol.asyncDispose](): Promise<void>;
}
