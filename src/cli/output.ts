import { type Abortable, onAbort } from '../base/abort.ts';
import { AppError } from '../base/errors.ts';
import type { OutputStream } from './io.ts';

/** Whoever read our output has gone (`| head`): there is nobody to go on for, and nothing went wrong. */
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
  /** Writes without waiting; for short texts. Does nothing when the reader has gone. */
  put(text: string): void;
  /** Writes and waits until there is room for more. @throws {AppError} OUTPUT_CLOSED when the reader has gone. */
  write(bytes: Uint8Array | string, options: Abortable): Promise<void>;
  /** Waits until everything written has reached the reader, or the reader has gone. */
  flushed(): Promise<void>;
}

/** Wraps `stream`; `onClosed` is called once when its reader has gone. */
export function createSink(stream: OutputStream, onClosed: () => void = () => {}): Sink {
  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  stream.on('error', () => {
    // EPIPE, EIO of a terminal that hung up, ENOSPC of a file: in no case can more be said there.
    if (isClosed) return;
    isClosed = true;
    closed.resolve();
    onClosed();
  });
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.isTTY ? stream.columns : undefined;
    },
    put(text) {
      if (!isClosed) stream.write(text);
    },
    async write(bytes, { signal }) {
      signal.throwIfAborted();
      if (isClosed) throw new OutputClosedError();
      if (stream.write(bytes)) return;
      const drained = Promise.withResolvers<void>();
      stream.once('drain', drained.resolve);
      using _listener = onAbort(signal, () => drained.reject(signal.reason));
      try {
        await Promise.race([drained.promise, closed.promise]);
      } finally {
        stream.off('drain', drained.resolve);
      }
      if (isClosed) throw new OutputClosedError();
    },
    async flushed() {
      if (isClosed || stream.writableLength === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      stream.write('', () => resolve());
      await Promise.race([promise, closed.promise]);
    },
  };
}
