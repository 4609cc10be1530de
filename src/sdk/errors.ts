import { AppError, isErrno, printable } from '../base/errors.ts';
import { isValid, problemsOf, problemText } from '../base/json-schema/check.ts';
import type { Schema } from '../base/json-schema/schema.ts';
import { type ErrorBody, errorBody } from '../protocol/events.ts';

/** Longest message that is accepted from a peer, in characters; the rest is cut. */
const MAX_MESSAGE_CHARS = 4096;

/** Most causes that are accepted from a peer. */
const MAX_CAUSES = 16;

/**
 * Returns the error that a failed answer describes; DAEMON_PROTOCOL when the answer is not an error body.
 * Never throws. Control characters are removed and long texts cut, because a guest may have printed them.
 */
export function errorFromBody(body: unknown, where: string): AppError {
  if (!isValid(errorBody, body)) return protocolError(where, 'it is not an error body');
  return new AppError(clean(body.code), clean(body.message), {
    hint: body.hint === undefined ? undefined : clean(body.hint),
    details: body.details,
    cause: causeChain(body),
  });
}

/** Returns the error for an answer that breaks the API's rules. */
export function protocolError(where: string, why: string): AppError {
  return new AppError('DAEMON_PROTOCOL', `Cannot understand the daemon's answer to ${where}: ${why}`, {
    hint: 'banger daemon stop, then try again',
    details: { where },
  });
}

/**
 * Returns `answer` as the type that `schema` describes.
 *
 * @throws {AppError} DAEMON_PROTOCOL naming the first field that is wrong.
 */
export function checkedAnswer<T>(schema: Schema<T>, answer: unknown, where: string): T {
  const [problem] = problemsOf(schema, answer, { max: 1 });
  if (problem === undefined) return answer as T;
  throw protocolError(where, clean(problemText(problem)));
}

/** Returns the error for a connection that ended before the answer did. */
export function lostError(where: string, cause?: unknown): AppError {
  return new AppError('DAEMON_LOST', `Lost the daemon during ${where}: the connection ended early`, {
    hint: 'banger daemon logs',
    details: { where },
    cause,
  });
}

/** Returns the error that tells the user what a failure of the socket means. */
export function connectionError(
  error: unknown,
  { where, socketPath }: { where: string; socketPath: string },
): unknown {
  if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ENOTSOCK')) {
    return new AppError(
      'DAEMON_UNREACHABLE',
      `Cannot reach the daemon at "${socketPath}": nothing listens there`,
      {
        hint: 'run any command that needs it, such as: banger vm list',
        details: { socketPath },
        cause: error,
      },
    );
  }
  if (isErrno(error, 'EACCES', 'EPERM')) {
    return new AppError('DAEMON_UNREACHABLE', `Cannot reach the daemon at "${socketPath}": no permission`, {
      hint: 'run banger as the user who started the daemon',
      details: { socketPath },
      cause: error,
    });
  }
  if (isErrno(error, 'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE')) {
    return lostError(where, error);
  }
  // Codes of Node's HTTP parser: the answer is not HTTP.
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('HPE_')) {
    return protocolError(where, 'it is not HTTP');
  }
  return error;
}

function causeChain(body: ErrorBody): Error | undefined {
  let cause: Error | undefined;
  for (const message of (body.causes ?? []).slice(0, MAX_CAUSES).reverse()) {
    cause = new Error(clean(message), cause && { cause });
  }
  return cause;
}

function clean(text: string): string {
  return printable(text.slice(0, MAX_MESSAGE_CHARS));
}
