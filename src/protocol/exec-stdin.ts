import type { Writable } from 'node:stream';
import { FRAME, frameHeader } from './exec-frames.ts';

/**
 * Input that may be under way: the guest queues that much, so that signals sent behind it are seen at once.
 */
export const STDIN_WINDOW_BYTES = 1024 * 1024;

/** Longest piece in one frame: small enough that output of other streams gets in between. */
const STDIN_FRAME_BYTES = 64 * 1024;

/**
 * Sends a command's input as frames and never has more than {@link STDIN_WINDOW_BYTES} under way. Resize and
 * signal frames are written to the same stream past it, at any time.
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
   * Sends `chunk`; resolves when the last of it was handed to the stream, or at once when {@link close} was
   * called.
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

  /** To be called with each `stdin-ack`. */
  acknowledge(bytes: number): void {
    this.#room = Math.min(this.#room + bytes, STDIN_WINDOW_BYTES);
    this.#wakeAll();
  }

  /** Lets writes that wait return without having sent the rest: nobody reads it any more. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
