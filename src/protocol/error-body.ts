import { AppError, messageOf } from '../base/errors.ts';
import type { ErrorBody } from './events.ts';

/** Code of an error that is a bug of ours, on whichever side of the socket it happened. */
export const BUG_CODE = 'INTERNAL_BUG';

/** Most causes that are told; deeper ones are in the log. */
const MAX_CAUSES = 16;

/**
 * What is told of an error across a process boundary, or with `--json`. Everything that is not an
 * {@link AppError} is a bug.
 */
export function errorBodyOf(error: unknown): ErrorBody {
  const real = realErrorOf(error);
  const causes = causesOf(error);
  return {
    code: real instanceof AppError ? real.code : BUG_CODE,
    message: messageOf(real),
    ...(real instanceof AppError && real.hint !== undefined ? { hint: real.hint } : {}),
    ...(real instanceof AppError && real.details !== undefined ? { details: real.details } : {}),
    ...(causes.length > 0 ? { causes } : {}),
  };
}

/**
 * The error that made work fail. When a cleanup failed too, JavaScript throws a `SuppressedError` about the
 * cleanup, whose own text says nothing; what came first is in its `suppressed`.
 */
export function realErrorOf(error: unknown): unknown {
  return error instanceof SuppressedError ? realErrorOf(error.suppressed) : error;
}

/** Messages of an error's causes, outermost first, then of the cleanups that failed after it. */
export function causesOf(error: unknown): string[] {
  const causes: string[] = [];
  const real = realErrorOf(error);
  let next: unknown = real instanceof Error ? real.cause : undefined;
  while (next !== undefined && next !== null && causes.length < MAX_CAUSES) {
    causes.push(messageOf(next));
    next = next instanceof Error ? next.cause : undefined;
  }
  for (let outer = error; outer instanceof SuppressedError; outer = outer.suppressed) {
    causes.push(`cleanup also failed: ${messageOf(realErrorOf(outer.error))}`);
  }
  return causes;
}
