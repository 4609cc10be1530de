import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { ERROR_TRAILER } from '../../protocol/api.ts';
import { errorBodyOf, realErrorOf } from '../../protocol/error-body.ts';

/** Sends one JSON value. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

/** `ms` that a client which is still sending gets to notice the answer. */
const LINGER_MS = 5_000;

/**
 * Sends an error as the answer. If the answer has already begun, breaks the connection, unless the answer has
 * ended.
 */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.writableEnded) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (!response.req.complete) stayOpen(response);
  sendJson(response, statusOf(error), errorBodyOf(error));
}

/**
 * Keeps the connection of a client that is still sending until it hangs up, which it does after reading the
 * answer. If the connection were closed, the client would fail to write and never look for an answer.
 */
function stayOpen(response: ServerResponse): void {
  const { req: request } = response;
  response.shouldKeepAlive = true;
  request.resume();
  const timer = setTimeout(() => request.destroy(), LINGER_MS).unref();
  request.once('close', () => clearTimeout(timer));
}

/**
 * Streams bytes as the answer. If they fail in the middle, the answer ends with the error in its trailer, so
 * that nobody mistakes a part for the whole.
 *
 * @throws what the bytes failed with, after the client has been told.
 */
export async function sendBytes(
  response: ServerResponse,
  bytes: Readable,
  { contentType, signal }: Abortable & { contentType: string },
): Promise<void> {
  response.writeHead(200, { 'content-type': contentType, trailer: ERROR_TRAILER });
  try {
    await pipeline(bytes, response, { end: false, signal });
  } catch (error) {
    if (signal.aborted || response.destroyed) throw error;
    const body = Buffer.from(JSON.stringify(errorBodyOf(error)));
    response.addTrailers({ [ERROR_TRAILER]: body.toString('base64') });
    response.end();
    throw error;
  }
  response.end();
}

/** What is missing is not what the request names, but something that this host needs to serve it. */
const HOST_LACKS: ReadonlySet<string> = new Set([
  'AGENT_NOT_FOUND',
  'EXEC_NOT_FOUND',
  'KERNEL_NOT_FOUND',
  'VMM_NOT_FOUND',
]);

/** HTTP status of an error; the code in the body says more. */
export function statusOf(error: unknown): number {
  const real = realErrorOf(error);
  if (!(real instanceof AppError)) return 500;
  if (real.code === 'DAEMON_STOPPING' || HOST_LACKS.has(real.code)) return 503;
  if (/_NOT_FOUND$|_UNKNOWN$/.test(real.code)) return 404;
  if (
    /_TAKEN$|_NOT_RUNNING$|_NOT_STOPPED$|_AMBIGUOUS$|_IN_USE$|_ENDED$|_CANCELLABLE$|_PORT_CLOSED$|_NO_SSH$/.test(
      real.code,
    )
  )
    return 409;
  if (/_INVALID$|_TOO_LONG$|_SHRINKS$/.test(real.code)) return 400;
  return 500;
}

/** Logs a failed request once: bugs as errors, failures that users can act on as info. */
export function logFailure(log: Logger, request: string, error: unknown): void {
  if (realErrorOf(error) instanceof AppError) log.info('a request failed', { request, error });
  else log.error('a request failed: this is a bug', { request, error });
}
