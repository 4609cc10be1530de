import type { IncomingMessage } from 'node:http';
import { AppError } from '../base/errors.ts';
import { isRecord } from '../base/json-schema/check.ts';
import type { Schema } from '../base/json-schema/schema.ts';
import { LineSplitter } from '../base/text/line-splitter.ts';
import { type ErrorEvent, type ResultEvent, stepEvent, type WorkEvent } from '../protocol/events.ts';
import { checkedAnswer, errorFromBody, lostError, protocolError } from './errors.ts';
import { type ApiRequest, callForStream, nameOf, type Transport } from './transport.ts';

/** An event of long work: steps, then the result. A failure is thrown. */
export type WorkStep<T> = Exclude<WorkEvent<T>, ErrorEvent>;

/** A step that is not the result. */
export type WorkNews = Exclude<WorkEvent<never>, ErrorEvent | ResultEvent<never>>;

/**
 * Long work in the daemon. Iterating starts it; iterate once. Leaving the loop early or aborting hangs up,
 * and so cancels the work.
 */
export type Work<T> = AsyncGenerator<WorkStep<T>, void, undefined>;

/** A call whose answer is a stream of events. */
export interface WorkRequest<T> extends ApiRequest {
  result: Schema<T>;
}

/**
 * Returns long work, which starts when it is iterated.
 *
 * @throws {AppError} while iterating: the error with which the work failed; DAEMON_UNREACHABLE, DAEMON_LOST
 * (no last line came), DAEMON_PROTOCOL.
 */
export async function* openWork<T>(transport: Transport, request: WorkRequest<T>): Work<T> {
  const response = await callForStream(transport, request);
  try {
    yield* readWork(response, request);
  } finally {
    response.destroy();
  }
}

/** Follows work to its end: passes each step to `onNews` and returns the result. */
export async function resultOf<T>(work: Work<T>, onNews: (news: WorkNews) => void = () => {}): Promise<T> {
  for await (const step of work) {
    if (step.event === 'result') return step.value;
    onNews(step);
  }
  throw lostError('long work');
}

/** Reads events up to the result and leaves the response open. Errors as {@link openWork}. */
export async function* readWork<T>(response: IncomingMessage, request: WorkRequest<T>): Work<T> {
  const where = nameOf(request);
  const splitter = new LineSplitter();
  try {
    for await (const chunk of response.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (const line of splitter.push(chunk)) {
        const step = parseEvent(line, request);
        if (!step) continue;
        yield step;
        if (step.event === 'result') return;
      }
    }
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof AppError) throw error;
    throw lostError(where, error);
  }
  request.signal.throwIfAborted();
  throw lostError(where);
}

/**
 * Parses one line of a stream. Returns `undefined` for an empty line, and for an event that this version does
 * not know.
 */
function parseEvent<T>(line: string, request: WorkRequest<T>): WorkStep<T> | undefined {
  if (line.trim() === '') return undefined;
  const value = parseJson(line);
  if (!isRecord(value) || typeof value['event'] !== 'string') {
    throw protocolError(nameOf(request), 'a line is not an event');
  }
  switch (value['event']) {
    case 'error':
      throw errorFromBody(value['error'], nameOf(request));
    case 'result':
      return { event: 'result', value: checkedAnswer(request.result, value['value'], nameOf(request)) };
    case 'operation':
    case 'progress':
    case 'notice':
    case 'spec':
    case 'output':
      return checkedAnswer(stepEvent, value, nameOf(request));
    default:
      return undefined;
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
