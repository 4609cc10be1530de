import { CONTROLS, INVISIBLE } from './text/unprintable.ts';

/** What an {@link AppError} may carry besides its code and message. */
export interface AppErrorOptions {
  /** the one next step for the user, a command when possible */
  hint?: string | undefined;
  /** machine-readable facts, part of the JSON contract */
  details?: Readonly<Record<string, unknown>> | undefined;
  cause?: unknown;
}

/**
 * A failure that the user can act on, or that is part of our contract. Everything else is a bug: use {@link
 * invariant}. `code` is stable (`AREA_REASON`) and listed in `docs/errors.md`.
 */
export class AppError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: string, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
  }
}

/** A bug in banger: printed with "this is a bug" and the log's path, never handled by code. */
export class BugError extends Error {
  override readonly name = 'BugError';
}

/** Throws a {@link BugError} unless `condition` holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never, what = 'value'): never {
  throw new BugError(`unexpected ${what}: ${JSON.stringify(value)}`);
}

/** True when `error` is a system error with one of these `code`s (`ENOENT`, ...). */
export function isErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** True when `error` is an {@link AppError} with one of these codes. */
export function isAppError(error: unknown, ...codes: string[]): error is AppError {
  return error instanceof AppError && (codes.length === 0 || codes.includes(error.code));
}

/** True when `error` is what an `AbortSignal` throws, or wraps it as its cause. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || isAbort(error.cause));
}

/**
 * The message of anything thrown, on one line and without control characters, so that it is safe for a
 * terminal or a log whatever its source.
 */
export function messageOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

/**
 * `text` that cannot forge what a terminal shows. Replaces control characters (including terminal escapes)
 * and line separators with a space, and bidirectional controls and other invisible characters with U+FFFD.
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, ' ').replace(INVISIBLE, '\ufffd').trim();
}
