import { type Abortable, onAbort } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import type { OutputStream } from './io.ts';

/** The reader of our output has exited (`| head`), so the command ends early. That is no failure. */
export class OutputClosedError extends AppError {
  constructor() {
    super('OUTPUT_CLOSED', 'Nobody reads the output any more');
  }
}

/** One of our output streams: writes wait while the reader is slow, and end when it has gone. */
export interface Sink {
  readonly isTerminal: boolean;
  /** width in characters, of a terminal */
  readonly columns: number | undefined;
  /** Writes without waiting; for short texts. Does nothing when nothing can be written any more. */
  put(text: string): void;
  /**
   * Writes and waits until there is room for more. @throws {AppError} OUTPUT_CLOSED when the reader has gone,
   * OUTPUT_FAILED.
   */
  write(bytes: Uint8Array | string, options: Abortable): Promise<void>;
  /** Waits until everything written has reached the reader, or the reader has gone. */
  flushed(): Promise<void>;
}

/** Wraps `stream`; `onFailed` is called once when nothing can be written any more. */
export function createSink(stream: OutputStream, onFailed: (reason: AppError) => void = () => {}): Sink {
  const failed = Promise.withResolvers<void>();
  let failure: AppError | undefined;
  const fail = (error: unknown): void => {
    if (failure) return;
    failure = failureOf(error);
    failed.resolve();
    onFailed(failure);
  };
  /** True when there is room for more. Files are written at once, and fail at once. */
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

/** A reader who has gone, or a terminal that hung up, is not an error; a full disk is. */
function failureOf(error: unknown): AppError {
  if (isErrno(error, 'EPIPE', 'EIO', 'ECONNRESET', 'ERR_STREAM_DESTROYED')) return new OutputClosedError();
  return new AppError('OUTPUT_FAILED', 'Cannot write the output', { cause: error });
}
