import type { GuestAgent } from '../../ports/guest.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { DriveSpec } from '../../ports/vmm/spec.ts';
import type { VmPlan } from '../plan/vm-plan.ts';

/** A pool VM: restored from a template, warmed up for a first command, not yet claimed by a start. */
export interface PoolVm {
  readonly vmId: string;
  /** of its template */
  readonly key: string;
  readonly drives: readonly DriveSpec[];
  readonly running: RunningVm;
  readonly agent: GuestAgent;
  /** the claimer disposes of it once the VM has a record or is gone */
  readonly unrecorded: Disposable;
}

/** The kind of VM that the next start probably needs. */
export interface PoolRequest {
  plan: VmPlan;
  /** of its template */
  key: string;
}

/**
 * Keeps at most one running pool VM, of the shape that was started last. The next start of that shape claims
 * it and only has to personalise it. The pool VM is made when nothing has been started for a moment; any
 * start cancels its making; it is ended when nothing has been started for a while. A failure here never fails
 * a start.
 */
export interface PoolKeeper extends AsyncDisposable {
  /** the pool VM that is ready */
  readonly vmId: string | undefined;
  /**
   * Hands over the pool VM when it was made from this template; the caller then owns it. Cancels one that is
   * being made.
   */
  take(key: string): PoolVm | undefined;
  /** Prepares for another start like the last one. Returns at once. */
  want(request: PoolRequest): void;
  /**
   * Ends the pool VM that is ready or being made; with `keys` only one made from these templates. Never
   * rejects.
   */
  drop(keys?: readonly string[]): Promise<void>;
  /** Ends the pool VM and makes no more. */
  [Symbol.asyncDispose](): Promise<void>;
}
