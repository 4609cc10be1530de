import { AppError, messageOf } from '../base/errors.ts';
import type { ErrorBody } from './events.ts';

/** Code of an error that is a bug of ours, on whichever side of the socket it happened. */
export const BUG_CODE = 'INTERNAL_BUG';

/** Most causes that are told; deeper ones are in the log. */
const MAX_CAUSES = 16;

/** What is told of an error across a process boundary, or with `--json`. Everything that is not an {@link AppError} is a bug. */
export function errorBodyOf(error: unknown): ErrorBody {
  const causes = causesOf(error);
  return {
    code: error instanceof AppError ? error.code : BUG_CODE,
    message: messageOf(error),
    ...(error instanceof AppError && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(error instanceof AppError && error.details !== undefined ? { details: error.details } : {}),
    ...(causes.length > 0 ? { causes } : {}),
  };
}

/**
 * Messages of an error's causes, outermost first. What failed in a cleanup after another failure arrives as `SuppressedError`, whose own
 * text says nothing: it is told as "cleanup also failed".
 */
export function causesOf(error: unknown): string[] {
  const causes: string[] = [];
  let next: unknown = error instanceof Error ? error.cause : undefined;
  while (next !== undefined && next !== null && causes.length < MAX_CAUSES) {
    causes.push(messageOf(next));
    next = next instanceof Error ? next.cause : undefined;
  }
  return causes;
}
