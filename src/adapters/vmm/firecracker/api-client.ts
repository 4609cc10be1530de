import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type Abortable, onAbort, withDeadline } from '../../../base/abort.ts';
import { AppError, isErrno, printable } from '../../../base/errors.ts';
import { connectUnix } from '../../../base/unix-socket.ts';
import type { ApiRequest } from './requests.ts';

/** Longest answer that is read, in `bytes`; the longest one that we ask for has a few hundred. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Longest part of an answer that is shown, in characters. */
const MAX_SHOWN = 2_000;
/** How long Firecracker may take for one answer: it opens files and makes the guest's memory meanwhile. */
const ANSWER_DEADLINE_MS = 60_000;

/** What Firecracker says of itself. */
export interface InstanceInfo {
  id: string;
  /** `Not started`, `Running`, `Paused` */
  state: string;
}

/** Firecracker's API on one socket. Each request has a connection of its own; nothing stays open. */
export class ApiClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * Sends a request that has no answer but success.
   *
   * @throws {AppError} VMM_REFUSED with the answer; VMM_LOST, VMM_PROTOCOL, WAIT_TIMEOUT.
   */
  async send(request: ApiRequest, options: Abortable): Promise<void> {
    await this.#exchange(request, options);
  }

  /** @throws {AppError} as {@link send}. */
  async info(options: Abortable): Promise<InstanceInfo> {
    const text = await this.#exchange({ method: 'GET', path: '/' }, options);
    const { id, state } = parseObject(text) ?? {};
    if (typeof id === 'string' && typeof state === 'string') return { id, state };
    throw protocolError('GET /', text);
  }

  async #exchange(
    { method, path, body }: { method: string; path: string; body?: ApiRequest['body'] },
    { signal }: Abortable,
  ): Promise<string> {
    const what = `${method} ${path}`;
    const { status, text } = await withDeadline(
      (inner) => this.#call({ method, path, body: body && JSON.stringify(body) }, { signal: inner }),
      { signal, deadlineMs: ANSWER_DEADLINE_MS, what: `Firecracker to answer ${what}` },
    );
    if (status >= 200 && status < 300) return text;
    throw new AppError('VMM_REFUSED', `Firecracker refuses ${what}: ${faultOf(text) || `status ${status}`}`, {
      details: { request: what, status, body: printable(text.slice(0, MAX_SHOWN)) },
    });
  }

  async #call(
    { method, path, body }: { method: string; path: string; body: string | undefined },
    { signal }: Abortable,
  ): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const call = httpRequest({
      ...{ method, path, createConnection: () => connectUnix(this.#socketPath) },
      headers: {
        Accept: 'application/json',
        ...(body === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
      },
    });
    const failed = (error: Error): void => reject(linkError(`${method} ${path}`, error));
    call.on('error', failed);
    call.once('response', (answer) => {
      readBounded(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }), failed);
    });
    using _abort = onAbort(signal, () => reject(signal.reason));
    try {
      call.end(body);
      return await promise;
    } finally {
      call.destroy();
    }
  }
}

async function readBounded(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new AppError('VMM_PROTOCOL', 'Firecracker sends an endless answer');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** What an error's body says is wrong, or the body itself when it is of another form. */
function faultOf(text: string): string {
  const fault = parseObject(text)?.['fault_message'];
  return printable((typeof fault === 'string' ? fault : text).trim().slice(0, MAX_SHOWN));
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function linkError(what: string, error: Error): Error {
  if (error instanceof AppError) return error;
  // llhttp's codes: what was sent is not HTTP.
  if ('code' in error && String(error.code).startsWith('HPE_')) return protocolError(what, error.message);
  const isGone = isErrno(error, 'ECONNRESET', 'ECONNREFUSED', 'ENOENT', 'EPIPE', 'EAGAIN');
  if (!isGone) return error;
  return new AppError('VMM_LOST', `Cannot reach Firecracker for ${what}: it does not serve its socket`, {
    cause: error,
    details: { request: what },
  });
}

function protocolError(what: string, text: string): AppError {
  return new AppError('VMM_PROTOCOL', `Firecracker's answer to ${what} breaks its API`, {
    details: { request: what, body: printable(text.slice(0, MAX_SHOWN)) },
  });
}
