import {
  closedObject,
  extensibleOneOf,
  list,
  object,
  optional,
  text,
  truth,
} from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { errorBody } from '../events.ts';
import { flag, time } from './common.ts';

const state = extensibleOneOf(['running', 'done', 'failed', 'cancelled']);

/** The state of an operation. */
export type OperationState = ValueOf<typeof state>;

/** Long work in the daemon that is running, or that ended a short while ago. */
export const operation = object({
  id: text('`op-` and 8 hex digits'),
  kind: text('the kind of work: `vm.create`, `image.build`'),
  target: optional(text('name of the VM or the image, once there is one')),
  state,
  stage: optional(text('stage of its last progress event')),
  detail: optional(text()),
  isDetached: truth('it continues when its client hangs up'),
  isCancellable: truth('false for a stop or a delete, which must not end halfway'),
  startedAt: time(),
  endedAt: optional(time()),
  error: optional(errorBody),
});
export type Operation = ValueOf<typeof operation>;

/** Answer of `GET /v1/operations`. */
export const operationList = object({ operations: list(operation) });

/** Query of every request for long work. */
export const workQuery = closedObject({
  detach: optional(flag('continue when the client hangs up')),
});
export type WorkQuery = ValueOf<typeof workQuery>;

/** Query of `GET /v1/operations`. */
export const listOperationsQuery = closedObject({
  all: optional(flag('also operations that ended recently')),
});
export type ListOperationsQuery = ValueOf<typeof listOperationsQuery>;
