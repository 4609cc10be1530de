import type { Writable } from 'node:stream';
import { FRAME, frameHeader } from './exec-frames.ts';

/**
 * Most input that may be sent and not yet acknowledged. The guest queues that much, so that it sees a signal
 * sent after the input at once.
 */
export const STDIN_WINDOW_BYTES = 1024 * 1024;

/** Longest piece in one frame: short, so that other streams can send between two pieces. */
const STDIN_FRAME_BYTES = 64 * 1024;

/**
 * Sends a command's input as frames, with at most {@link STDIN_WINDOW_BYTES} unacknowledged. Resize and
 * signal frames do not wait for it: they can be written to the same stream at any time.
 */
export class ExecStdin {
  readonly #stream: Writable;
  #room = STDIN_WINDOW_BYTES;
  #isClosed = false;
  #wake = Promise.withResolvers<void>();

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /**
   * Sends `chunk`. Resolves when the stream has taken all of it, or at once after {@link close}.
   */
  async write(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0 && !this.#isClosed; ) {
      const size = Math.min(rest.length, this.#room, STDIN_FRAME_BYTES);
      if (size === 0) {
        await this.#wake.promise;
        continue;
      }
      this.#room -= size;
      this.#stream.cork();
      this.#stream.write(frameHeader(FRAME.stdin, size));
      this.#stream.write(rest.subarray(0, size));
      this.#stream.uncork();
      rest = rest.subarray(size);
    }
  }

  /** Tells the command that its input has ended. */
  end(): void {
    if (!this.#isClosed) this.#stream.write(frameHeader(FRAME.stdinEnd, 0));
    this.close();
  }

  /** Makes room for more input; call it with each `stdin-ack`. */
  acknowledge(bytes: number): void {
    this.#room = Math.min(this.#room + bytes, STDIN_WINDOW_BYTES);
    this.#wakeAll();
  }

  /** Makes waiting writes return without sending the rest, which nothing would read. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
