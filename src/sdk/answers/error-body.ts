import type { ErrorBody } from '../../protocol/events.ts';
import { type GuardOf, isRecord, isText, listOf, optional, shapeOf } from '../guards.ts';

/** Body of a failed answer. */
export const isErrorBody: GuardOf<ErrorBody> = shapeOf<ErrorBody>({
  code: isText,
  message: isText,
  hint: optional(isText),
  details: optional(isRecord),
  causes: optional(listOf(isText)),
});
