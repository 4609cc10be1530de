import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Abortable, onAbort, withDeadline } from '../base/abort.ts';
import { AppError } from '../base/errors.ts';
import type { Schema } from '../base/json-schema/schema.ts';
import { connectUnix } from '../base/unix-socket.ts';
import { API_PREFIX, ERROR_TRAILER, VERSION_HEADER } from '../protocol/api.ts';
import { encodeProxies, PROXY_HEADER, type ProxyVariables } from '../protocol/proxy-variables.ts';
import { checkedAnswer, connectionError, errorFromBody, lostError, protocolError } from './errors.ts';
import { sendContent } from './send-content.ts';

/** How to reach the daemon. */
export interface Transport {
  socketPath: string;
  /** called with the daemon's version label, once per answer that carries one */
  onDaemonVersion?: ((label: string) => void) | undefined;
  /** for guests that get proxies (`protocol/proxy-variables.ts`); default: those of the daemon's start */
  proxies?: ProxyVariables | undefined;
}

/** One call of the API. */
export interface ApiRequest extends Abortable {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** below `/v1`, already escaped */
  path: string;
  /** sent as JSON */
  body?: unknown;
  /** streamed instead of `body`; sending stops when the answer comes */
  content?: AsyncIterable<Buffer>;
  /** asks for this protocol instead of an answer */
  upgrade?: string;
  /** `ms` that an answer which is not a stream may take; default: a minute */
  answerDeadlineMs?: number | undefined;
}

/** Longest JSON answer that is read, in `bytes`: thousands of records fit. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Default of {@link ApiRequest.answerDeadlineMs}. */
const ANSWER_DEADLINE_MS = 60_000;

/**
 * Calls the API and returns the answer's body as a stream, which the caller must read to its end or destroy.
 * An abort destroys it.
 *
 * @throws {AppError} the daemon's own error; DAEMON_UNREACHABLE, DAEMON_LOST, DAEMON_PROTOCOL.
 */
export async function callForStream(transport: Transport, request: ApiRequest): Promise<IncomingMessage> {
  const { response, socket } = await exchange(transport, request);
  if (socket) {
    socket.destroy();
    throw protocolError(nameOf(request), 'it switched protocols unasked');
  }
  if (response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300) {
    return response;
  }
  throw errorFromBody(await readJson(response, request), nameOf(request));
}

/**
 * Calls the API and yields the bytes of its answer as they arrive. Throws the errors of {@link callForStream}
 * while iterating; also when the connection ends early, or the trailer says that the answer is incomplete.
 */
export async function* callForBytes(
  transport: Transport,
  request: ApiRequest,
): AsyncGenerator<Buffer, void, undefined> {
  const response = await callForStream(transport, request);
  try {
    yield* response as AsyncIterable<Buffer>;
    const failure = response.trailers[ERROR_TRAILER];
    if (failure !== undefined) throw errorFromTrailer(failure, request);
  } catch (error) {
    if (error instanceof AppError) throw error;
    request.signal.throwIfAborted();
    throw lostError(nameOf(request), error);
  } finally {
    response.destroy();
  }
}

/**
 * Calls the API and returns its JSON answer, checked against the schema `answer`. Errors as
 * {@link callForStream}; WAIT_TIMEOUT after `answerDeadlineMs`.
 */
export async function callForJson<T>(
  transport: Transport,
  { answer, answerDeadlineMs = ANSWER_DEADLINE_MS, ...request }: ApiRequest & { answer: Schema<T> },
): Promise<T> {
  const given = await withDeadline(
    async (signal) => {
      const bounded = { ...request, signal };
      return await readJson(await callForStream(transport, bounded), bounded);
    },
    {
      signal: request.signal,
      deadlineMs: answerDeadlineMs,
      what: `the daemon to answer ${nameOf(request)}`,
    },
  );
  return checkedAnswer(answer, given, nameOf(request));
}

/**
 * Streams a body and returns the JSON answer, without a deadline. Throws the errors of {@link callForJson},
 * and those of the content.
 */
export async function callWithContent<T>(
  transport: Transport,
  { answer, ...request }: ApiRequest & { content: AsyncIterable<Buffer>; answer: Schema<T> },
): Promise<T> {
  const given = await readJson(await callForStream(transport, request), request);
  return checkedAnswer(answer, given, nameOf(request));
}

/**
 * Calls the API and switches to another protocol. Returns the raw connection. Errors as {@link
 * callForStream}.
 */
export async function callForUpgrade(
  transport: Transport,
  request: ApiRequest & { upgrade: string },
): Promise<Duplex> {
  const { response, socket } = await exchange(transport, request);
  if (socket) return socket;
  const body = await readJson(response, request);
  if (response.statusCode !== undefined && response.statusCode >= 400) {
    throw errorFromBody(body, nameOf(request));
  }
  throw protocolError(nameOf(request), `it did not switch to ${request.upgrade}`);
}

/** `GET /v1/vms`, for messages. */
export function nameOf(request: Pick<ApiRequest, 'method' | 'path'>): string {
  return `${request.method} ${API_PREFIX}${request.path}`;
}

function errorFromTrailer(text: string, request: ApiRequest): AppError {
  const where = nameOf(request);
  try {
    return errorFromBody(JSON.parse(Buffer.from(text, 'base64').toString()), where);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return protocolError(where, 'its trailer is not JSON');
  }
}

interface Exchange {
  response: IncomingMessage;
  /** present after a successful upgrade */
  socket?: Duplex;
}

async function exchange(transport: Transport, request: ApiRequest): Promise<Exchange> {
  request.signal.throwIfAborted();
  const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
  const call = httpRequest({
    createConnection: () => connectUnix(transport.socketPath),
    method: request.method,
    path: `${API_PREFIX}${request.path}`,
    headers: headersOf(transport, request, body),
  });
  let inUse: { destroy(): unknown } = call;
  const listener = onAbort(request.signal, () => inUse.destroy());
  const sending = request.content && sendContent(call, request.content);
  try {
    if (!sending) call.end(body);
    const found = await answerOf(call);
    sending?.stop();
    const label = found.response.headers[VERSION_HEADER];
    if (typeof label === 'string') transport.onDaemonVersion?.(label);
    // The stream outlives this call: an abort ends it too, and its end removes the listener.
    const stream = found.socket ?? found.response;
    stream.once('close', () => listener[Symbol.dispose]());
    inUse = stream;
    return found;
  } catch (error) {
    listener[Symbol.dispose]();
    sending?.stop();
    request.signal.throwIfAborted();
    if (sending?.failure() !== undefined) throw sending.failure();
    throw connectionError(error, { where: nameOf(request), socketPath: transport.socketPath });
  }
}

function headersOf(
  { proxies }: Transport,
  request: ApiRequest,
  body: Buffer | undefined,
): Record<string, string | number> {
  return {
    host: 'banger',
    ...(proxies && request.method === 'POST' ? { [PROXY_HEADER]: encodeProxies(proxies) } : {}),
    ...(request.upgrade ? { connection: 'Upgrade', upgrade: request.upgrade } : {}),
    ...(body ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
    ...(!body && request.method === 'POST' ? { 'content-length': 0 } : {}),
  };
}

async function answerOf(call: ClientRequest): Promise<Exchange> {
  const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
  call.on('error', reject);
  call.on('response', (response) => resolve({ response }));
  call.on('upgrade', (response, socket, head) => {
    if (head.length > 0) socket.unshift(head);
    // Reads and writes report the error; without a listener, Node would end the process.
    socket.on('error', () => {});
    resolve({ response, socket });
  });
  call.on('close', () => reject(unanswered()));
  return await promise;
}

function unanswered(): AppError {
  return new AppError('DAEMON_LOST', 'The connection closed without an answer', {
    hint: 'VMs keep running; try again, which also starts a daemon that has ended. Its log: banger daemon logs',
  });
}

async function readJson(response: IncomingMessage, request: ApiRequest): Promise<unknown> {
  const where = nameOf(request);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) throw protocolError(where, `it is longer than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof AppError) throw error;
    throw lostError(where, error);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw protocolError(where, 'it is not JSON');
  }
}
