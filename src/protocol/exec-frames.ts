import { AppError } from '../base/errors.ts';
import { ByteCollector } from '../base/text/byte-collector.ts';

/*
 * Frames of an exec stream (`docs/agent-protocol.md`), in both directions:
 *
 *     +--------+----------------+------------------+
 *     | type   | length         | payload          |
 *     | 1 byte | 4 bytes, big e.| `length` bytes   |
 *     +--------+----------------+------------------+
 */

/** Types of frames: to the guest below 16, to the host from 16 on. */
export const FRAME = {
  start: 0,
  stdin: 1,
  stdinEnd: 2,
  resize: 3,
  signal: 4,
  started: 16,
  stdout: 17,
  stderr: 18,
  exit: 19,
  error: 20,
  stdinAck: 21,
  // of the output of a job only
  position: 22,
  pause: 23,
} as const;

/** Size of a frame's type and length. */
export const FRAME_HEADER_BYTES = 5;

/** Longest payload; a longer one is a protocol error that ends the stream. */
export const MAX_FRAME_PAYLOAD_BYTES = 1024 * 1024;

/**
 * A whole frame, or a piece of a `stdin`, `stdout` or `stderr` frame: those are passed on as they arrive.
 */
export interface Frame {
  type: number;
  /** a view of the decoder's input where possible: copy it to keep it */
  payload: Buffer;
}

/** Header of a frame whose payload, of `length` bytes, the caller writes behind it. */
export function frameHeader(type: number, length: number): Buffer {
  if (length > MAX_FRAME_PAYLOAD_BYTES) throw tooLong(type, length);
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(length, 1);
  return header;
}

/** A whole frame in one buffer. For large data use {@link frameHeader}, which copies nothing. */
export function encodeFrame(type: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return Buffer.concat([frameHeader(type, body.length), body]);
}

/**
 * A frame whose payload is `value` as JSON.
 *
 * @throws {AppError} EXEC_FRAME_TOO_LONG; for a `start` frame, the command line and environment together are
 * longer than 1 MiB.
 */
export function encodeJsonFrame(type: number, value: unknown): Buffer {
  return encodeFrame(type, JSON.stringify(value));
}

/** Splits a byte stream into frames. Chunks may end anywhere; only a frame in two chunks is copied. */
export class FrameDecoder {
  #header: Buffer = Buffer.alloc(0);
  #type = 0;
  /** payload bytes that are still missing; undefined between frames */
  #left: number | undefined;
  /** the part received so far of a frame that is returned whole */
  readonly #begun = new ByteCollector();

  /**
   * Takes the next chunk and returns the frames that it completes.
   *
   * @throws {AppError} EXEC_FRAME_TOO_LONG for a payload beyond the limit; the decoder cannot be used after
   * that.
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0 || this.#left === 0) {
      rest = this.#left === undefined ? this.#takeHeader(rest) : this.#takePayload(rest, this.#left, frames);
    }
    return frames;
  }

  /** True when the stream may end here: between two frames. */
  get isAtBoundary(): boolean {
    return this.#left === undefined && this.#header.length === 0;
  }

  #takeHeader(chunk: Buffer): Buffer {
    const missing = FRAME_HEADER_BYTES - this.#header.length;
    const header =
      this.#header.length === 0 && chunk.length >= FRAME_HEADER_BYTES
        ? chunk
        : Buffer.concat([this.#header, chunk.subarray(0, missing)]);
    if (header.length < FRAME_HEADER_BYTES) {
      this.#header = header;
    } else {
      this.#header = Buffer.alloc(0);
      this.#type = header.readUInt8(0);
      this.#left = header.readUInt32BE(1);
      if (this.#left > MAX_FRAME_PAYLOAD_BYTES) throw tooLong(this.#type, this.#left);
    }
    return chunk.subarray(missing);
  }

  #takePayload(chunk: Buffer, left: number, frames: Frame[]): Buffer {
    const piece = chunk.subarray(0, left);
    const remaining = left - piece.length;
    this.#left = remaining === 0 ? undefined : remaining;
    if (isData(this.#type)) {
      if (piece.length > 0) frames.push({ type: this.#type, payload: piece });
    } else if (remaining === 0 && this.#begun.length === 0) {
      frames.push({ type: this.#type, payload: piece });
    } else {
      this.#begun.add(piece);
      if (remaining === 0) frames.push({ type: this.#type, payload: this.#begun.take() });
    }
    return chunk.subarray(piece.length);
  }
}

function isData(type: number): boolean {
  return type === FRAME.stdin || type === FRAME.stdout || type === FRAME.stderr;
}

function tooLong(type: number, length: number): AppError {
  return new AppError(
    'EXEC_FRAME_TOO_LONG',
    `Cannot exchange a frame with the guest: ${length} bytes are more than ${MAX_FRAME_PAYLOAD_BYTES}`,
    { details: { type, length } },
  );
}
