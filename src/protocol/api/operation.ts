import type { ErrorBody } from '../events.ts';

/** How an operation stands. */
export type OperationState = 'running' | 'done' | 'failed' | 'cancelled';

/** Long work in the daemon: under way, or ended a short while ago. */
export interface Operation {
  /** `op-` and 8 hex digits */
  id: string;
  /** what it does: `vm.create`, `image.build` */
  kind: string;
  /** name of the VM or the image, when there is one yet */
  target?: string;
  state: OperationState;
  /** what was told last */
  stage?: string;
  detail?: string;
  /** it goes on when its client hangs up */
  isDetached: boolean;
  /** a stop or a delete that has begun is not undone by half */
  isCancellable: boolean;
  startedAt: string;
  endedAt?: string;
  /** why it failed */
  error?: ErrorBody;
}
