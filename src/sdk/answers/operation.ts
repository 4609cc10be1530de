import type { Operation } from '../../protocol/api/operation.ts';
import { type GuardOf, isText, isTruth, listOf, optional, shapeOf } from '../guards.ts';
import { isErrorBody } from './error-body.ts';

/** An operation. */
export const isOperation: GuardOf<Operation> = shapeOf<Operation>({
  id: isText,
  kind: isText,
  target: optional(isText),
  state: isText,
  stage: optional(isText),
  detail: optional(isText),
  isDetached: isTruth,
  isCancellable: isTruth,
  startedAt: isText,
  endedAt: optional(isText),
  error: optional(isErrorBody),
});

/** Answer of `GET /v1/operations`. */
export const isOperationList: GuardOf<{ operations: Operation[] }> = shapeOf<{ operations: Operation[] }>({
  operations: listOf(isOperation),
});
