import type { ServerResponse } from 'node:http';
import { type Abortable, onAbort } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { errorBodyOf } from '../../protocol/error-body.ts';
import { JSON_LINES_TYPE } from '../../protocol/events.ts';
import type { RunningOperation, SentEvent } from '../operations.ts';
import { sendJson, statusOf } from './respond.ts';
import type { WorkResult } from './route.ts';

/**
 * Runs an operation's work and streams its events as JSON lines. Sends the answer's head with the first
 * event, so that work which is refused before any event gets a plain error with its status. When `signal`
 * aborts, cancels the work, unless the operation is detached: it then continues without a client. Returns
 * when the work has ended; for held work, when the client has disconnected and its cleanup is done.
 *
 * @throws what the work threw, after the client has been told.
 */
export async function streamWork(
  response: ServerResponse,
  { operation, work, signal }: Abortable & { operation: RunningOperation; work: () => Promise<WorkResult> },
): Promise<void> {
  const cancel = (): void => {
    if (isClientGone(signal.reason) && operation.view.isDetached) return;
    operation.abort(signal.reason);
  };
  using _listener = onAbort(signal, cancel);
  const waiting: SentEvent[] = [];
  using _follower = operation.follow((event) => {
    waiting.push(event);
    // The id alone does not count as an event: until another one comes, the answer can still be a plain
    // error.
    if (event.event === 'operation' || (event.event === 'error' && !response.headersSent)) return;
    for (const one of waiting.splice(0)) sendEvent(response, one);
  });
  let result: WorkResult;
  try {
    result = await work();
  } catch (error) {
    operation.fail(error);
    if (response.headersSent) response.end();
    else if (!response.destroyed) sendJson(response, statusOf(error), errorBodyOf(error));
    throw error;
  }
  operation.succeed(result.value);
  if (result.onClientGone) {
    await gone(response);
    await result.onClientGone();
  } else response.end();
}

/**
 * Streams the events of an operation that another client began, from its first to its last; disconnecting
 * does not affect it.
 */
export async function streamEvents(response: ServerResponse, operation: RunningOperation): Promise<void> {
  using _follower = operation.follow((event) => sendEvent(response, event));
  await Promise.race([operation.ended, gone(response)]);
  response.end();
}

function sendEvent(response: ServerResponse, event: SentEvent): void {
  if (response.destroyed) return;
  if (!response.headersSent) response.writeHead(200, { 'content-type': JSON_LINES_TYPE });
  response.write(`${JSON.stringify(event)}\n`);
}

function isClientGone(reason: unknown): boolean {
  return isAppError(reason, 'CLIENT_GONE');
}

async function gone(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => response.once('close', resolve));
}
