import type { GuestAgent } from '../../ports/guest.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { DriveSpec } from '../../ports/vmm/spec.ts';
import type { VmPlan } from '../lifecycle/vm-plan.ts';

/**
 * A VM of nobody that was restored from a template and has done once what the first command of a user does.
 */
export interface StandbyVm {
  readonly vmId: string;
  /** of its template */
  readonly key: string;
  readonly drives: readonly DriveSpec[];
  readonly running: RunningVm;
  readonly agent: GuestAgent;
  /** to be disposed of when it has got a record, or is gone */
  readonly unlisted: Disposable;
}

/** The VM that will be wanted next. */
export interface StandbyRequest {
  plan: VmPlan;
  /** of its template */
  key: string;
}

/**
 * At most one VM of nobody that runs, of the shape that was started last: a start takes it over, and has only
 * to make it its own. It is made when nothing has been started for a moment, given up for any start, and
 * ended when nobody has started a VM for a while. Nothing here fails a start.
 */
export interface StandbyKeeper extends AsyncDisposable {
  /** the VM that waits */
  readonly vmId: string | undefined;
  /**
   * The VM that waits, when it is made of this template: it is the caller's then. A VM that is being made is
   * given up.
   */
  take(key: string): StandbyVm | undefined;
  /** A VM was started: the next one will be like that. Returns at once. */
  want(request: StandbyRequest): void;
  /**
   * Ends the VM that waits or is being made; with `keys` only when it is made of one of these templates.
   * Never rejects.
   */
  drop(keys?: readonly string[]): Promise<void>;
  /** Ends what there is, and makes nothing more. */
  [Symbol.asyncDispose](): Promise<void>;
}
