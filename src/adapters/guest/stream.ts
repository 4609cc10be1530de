import http2 from 'node:http2';
import { Duplex } from 'node:stream';
import { type Abortable, onAbort } from '../../base/abort.ts';
import { type AppError, isAppError } from '../../base/errors.ts';
import { ByteCollector } from '../../base/text/byte-collector.ts';
import { parseRefusal } from './answers.ts';
import { brokenProtocol, lost, refused } from './errors.ts';
import { CHUNKS_TYPE, PortOutput } from './port-output.ts';

/** Most bytes of a refusal that are read. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/** Trailer that reports a failure after the answer has begun. */
const ERROR_TRAILER = 'banger-error';

/** What a {@link GuestStream} needs to know about its request. */
export interface GuestStreamOptions extends Abortable {
  /** for errors: "unpack files in the guest" */
  action: string;
  /** false when the request has no body */
  hasBody: boolean;
  /** the answer ends with trailers, so that a failure in the middle is noticed */
  endsWithTrailers: boolean;
  /**
   * The request is a connection to a port, whose two directions end independently. An agent that cannot do
   * that ends the request with the port's output, and then the stream closes.
   */
  isConnection: boolean;
  /** why the link is gone, given the request's own error; `undefined` while the link exists */
  whyGone: (cause: unknown) => AppError | undefined;
}

/**
 * One request to the agent. The writable side is its body, the readable side the answer's body. It fails only
 * with AppErrors, resets the request (RST) when its signal aborts, and leaves no listener on the signal.
 */
export class GuestStream extends Duplex {
  readonly #request: http2.ClientHttp2Stream;
  readonly #options: GuestStreamOptions;
  readonly #accepted = Promise.withResolvers<void>();
  readonly #aborting: Disposable;
  #cause: unknown;
  #hasBegun = false;
  #hasEnded = false;
  #trailer: string | undefined;
  #output: PortOutput | undefined;
  /** called when the request has closed */
  #finished: (() => void) | undefined;

  constructor(request: http2.ClientHttp2Stream, options: GuestStreamOptions) {
    super();
    this.#request = request;
    this.#options = options;
    // An error without a listener must not end the program. Readers, writers and awaiters still get it.
    this.#accepted.promise.catch(() => {});
    this.on('error', () => {});
    request.on('response', (headers) => this.#begin(headers));
    request.on('trailers', (trailers) => {
      const value = trailers[ERROR_TRAILER];
      if (value !== undefined) this.#trailer = String(value);
    });
    request.on('error', (error) => {
      this.#cause = error;
    });
    request.on('close', () => this.#finish());
    if (!options.hasBody) this.end();
    this.#aborting = onAbort(options.signal, () => this.destroy(options.signal.reason));
  }

  /**
   * Resolves when the agent has accepted the request (status 200); rejects with its refusal, or with the
   * reason why it could not answer.
   */
  get accepted(): Promise<void> {
    return this.#accepted.promise;
  }

  /**
   * Reads the whole answer.
   *
   * @throws {AppError} GUEST_PROTOCOL when it is longer than `maxBytes`; otherwise what the stream fails
   * with.
   */
  async collect(maxBytes: number): Promise<Buffer> {
    const body = new ByteCollector();
    for await (const chunk of this) {
      body.add(chunk);
      if (body.length > maxBytes) throw brokenProtocol(this.#options.action, `more than ${maxBytes} bytes`);
    }
    return body.take();
  }

  /** Ends the stream because the host closes the link. */
  giveUp(): void {
    this.destroy(lost(this.#options.action));
  }

  #begin(headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader): void {
    const status = headers[':status'] ?? 0;
    if (status !== 200) {
      this.#refuse(status);
      return;
    }
    this.#accepted.resolve();
    this.#hasBegun = true;
    const { action, isConnection, endsWithTrailers } = this.#options;
    const isChunked = isConnection && headers['content-type'] === CHUNKS_TYPE;
    if (isChunked) this.#output = new PortOutput(action);
    this.#request.on('data', (chunk: Buffer) => {
      if (this.#output) this.#takeChunks(chunk, this.#output);
      else if (!this.push(chunk)) this.#request.pause();
    });
    this.#request.on('end', () => {
      this.#hasEnded = true;
      if (!endsWithTrailers && !isChunked) this.push(null);
    });
  }

  #takeChunks(bytes: Buffer, output: PortOutput): void {
    try {
      const content = output.read(bytes);
      if (content.length > 0 && !this.push(content)) this.#request.pause();
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.destroy(error);
      return;
    }
    if (!output.hasEnded) return;
    this.push(null);
    // Nobody reads more, and the end of the request must be seen.
    this.#request.resume();
  }

  #refuse(status: number): void {
    const { action } = this.#options;
    const body = new ByteCollector();
    this.#request.on('data', (chunk: Buffer) => {
      body.add(chunk);
      if (body.length > MAX_REFUSAL_BYTES) this.destroy(brokenProtocol(action, 'an endless refusal'));
    });
    this.#request.on('end', () => {
      const refusal = parseRefusal(body.take().toString());
      this.destroy(
        refusal ? refused(action, { status, ...refusal }) : brokenProtocol(action, `with status ${status}`),
      );
    });
  }

  /** Called when both sides of the request have closed. */
  #finish(): void {
    if (this.destroyed) return;
    const isWhole = this.#output === undefined || this.#output.hasEnded;
    if (this.#hasEnded && isWhole && this.#request.rstCode === http2.constants.NGHTTP2_NO_ERROR) {
      if (this.#options.isConnection) {
        this.#closeConnection();
        return;
      }
      const failure = this.#trailer === undefined ? undefined : this.#trailerFailure(this.#trailer);
      if (failure) this.destroy(failure);
      else if (this.#options.endsWithTrailers) this.push(null);
      return;
    }
    this.destroy(this.#failure());
  }

  /** Closes the stream when the rest of the output has been read: the port takes no more input. */
  #closeConnection(): void {
    this.#finished?.();
    if (this.readableEnded) this.destroy();
    else this.once('end', () => this.destroy());
  }

  #trailerFailure(trailer: string): AppError {
    const refusal = parseRefusal(trailer);
    const { action } = this.#options;
    return refusal
      ? refused(action, { status: 200, ...refusal })
      : brokenProtocol(action, 'a damaged trailer');
  }

  /** Why the request ended early. */
  #failure(): AppError {
    const { action, whyGone } = this.#options;
    return whyGone(this.#cause) ?? brokenProtocol(action, 'by resetting the request', this.#cause);
  }

  override _read(): void {
    // Data that arrives before the 'data' listener exists would be lost.
    if (this.#hasBegun) this.#request.resume();
  }

  /*
   * A failed write is not an error of its own. As with a closed pipe, what is written after the guest has
   * ended the request is lost, and the readable side says how the request ended. The callback waits for the
   * event loop, so that a writer with much to write lets the end of the request through.
   */

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#request.write(chunk, encoding, written(done));
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#request.cork();
    for (const [index, { chunk }] of chunks.entries()) {
      if (index === chunks.length - 1) this.#request.write(chunk, written(done));
      else this.#request.write(chunk);
    }
    this.#request.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#request.writableEnded && !this.#request.destroyed) this.#request.end();
    // A stream that has ended both ways closes, and closing resets what has not been sent yet.
    if (this.#output && !this.#request.closed) this.#finished = done;
    else done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#aborting[Symbol.dispose]();
    if (!this.#hasBegun) this.#accepted.reject(error ?? this.#failure());
    if (!this.#request.closed) this.#request.close(http2.constants.NGHTTP2_CANCEL);
    done(error);
  }
}

function written(done: () => void): (error?: Error | null) => void {
  return (error) => {
    if (error) setImmediate(done);
    else done();
  };
}
