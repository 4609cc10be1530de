import { AppError, messageOf } from '../base/errors.ts';
import type { ErrorBody } from './events.ts';

/** Code of an error that is a bug in banger, on either side of the socket. */
export const BUG_CODE = 'INTERNAL_BUG';

/** Most causes in an error body; the log has deeper ones. */
const MAX_CAUSES = 16;

/**
 * Returns the form of an error that crosses a process boundary, and that `--json` prints. An error that is
 * not an {@link AppError} is a bug.
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
 * Returns the error that made work fail. When a cleanup failed too, JavaScript throws a `SuppressedError`
 * whose own text says nothing; the first error is in its `suppressed`.
 */
export function realErrorOf(error: unknown): unknown {
  return error instanceof SuppressedError ? realErrorOf(error.suppressed) : error;
}

/**
 * Returns the messages of an error's causes, outermost first, then those of cleanups that failed after it.
 */
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
