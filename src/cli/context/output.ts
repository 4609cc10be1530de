import { type Abortable, onAbort } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import type { OutputStream } from './io.ts';

/** The reader of our output has exited (`| head`), so the command ends early. This is not a failure. */
export class OutputClosedError extends AppError {
  constructor() {
    super('OUTPUT_CLOSED', 'Cannot write the output: its reader has exited');
  }
}

/** One of our output streams. Writes wait while the reader is slow, and end when the reader has exited. */
export interface Sink {
  readonly isTerminal: boolean;
  /** width of the terminal in characters */
  readonly columns: number | undefined;
  /** Writes without waiting; for short texts. Does nothing once writing has become impossible. */
  put(text: string): void;
  /**
   * Writes and waits until there is room for more. @throws {AppError} OUTPUT_CLOSED when the reader has
   * exited, OUTPUT_FAILED.
   */
  write(bytes: Uint8Array | string, options: Abortable): Promise<void>;
  /** Waits until everything written has reached the reader, or the reader has exited. */
  flushed(): Promise<void>;
}

/** Wraps `stream`. Calls `onFailed` once, when writing becomes impossible. */
export function createSink(stream: OutputStream, onFailed: (reason: AppError) => void = () => {}): Sink {
  const failed = Promise.withResolvers<void>();
  let failure: AppError | undefined;
  const fail = (error: unknown): void => {
    if (failure) return;
    failure = failureOf(error);
    failed.resolve();
    onFailed(failure);
  };
  /** True when there is room for more. Writes to files complete, or fail, at once. */
  const send = (bytes: Uint8Array | string): boolean => {
    try {
      return stream.write(bytes);
    } catch (error) {
      fail(error);
      return true;
    }
  };
  stream.on('error', fail);
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.isTTY ? stream.columns : undefined;
    },
    put(text) {
      if (!failure) send(text);
    },
    async write(bytes, { signal }) {
      signal.throwIfAborted();
      if (failure) throw failure;
      if (!send(bytes)) {
        const drained = Promise.withResolvers<void>();
        stream.once('drain', drained.resolve);
        using _listener = onAbort(signal, () => drained.reject(signal.reason));
        try {
          await Promise.race([drained.promise, failed.promise]);
        } finally {
          stream.off('drain', drained.resolve);
        }
      }
      if (failure) throw failure;
    },
    async flushed() {
      if (failure || stream.writableLength === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      stream.write('', () => resolve());
      await Promise.race([promise, failed.promise]);
    },
  };
}

/** A reader that has exited or a terminal that hung up is not an error; a full disk is. */
function failureOf(error: unknown): AppError {
  if (isErrno(error, 'EPIPE', 'EIO', 'ECONNRESET', 'ERR_STREAM_DESTROYED')) return new OutputClosedError();
  return new AppError('OUTPUT_FAILED', 'Cannot write the output', {
    hint: 'make room on the disk that the output goes to, or write it elsewhere',
    cause: error,
  });
}
