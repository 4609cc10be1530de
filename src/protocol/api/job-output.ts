import { AppError } from '../../base/errors.ts';
import { execEventOf } from '../exec-events.ts';
import { FRAME, type Frame, FrameDecoder } from '../exec-frames.ts';
import type { ExecExit } from '../guest.ts';

/**
 * What is read of a job's output: first a `position`, then output, and another `position` wherever bytes are
 * missing. `exit` comes last when the job has ended, `pause` when there is no more output now. `cursor` is
 * the place after it.
 */
export type JobEvent =
  | { kind: 'position'; cursor: number; droppedBytes: number }
  | { kind: 'stdout' | 'stderr'; chunk: Buffer; cursor: number }
  | { kind: 'exit'; exit: ExecExit }
  | { kind: 'pause' };

/** Decodes the output of a job, and counts its cursor. The guest is not trusted. */
export class JobOutputDecoder {
  readonly #frames = new FrameDecoder();
  #cursor: number;
  #hasPosition = false;
  #isOver = false;

  /** `after` is the cursor that was asked for. */
  constructor(after: number) {
    this.#cursor = after;
  }

  /** True after the last frame: the stream may end now. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The place in the output up to which everything was decoded. */
  get cursor(): number {
    return this.#cursor;
  }

  /**
   * Takes the next chunk and returns its events. Output is a view of `chunk`.
   *
   * @throws {AppError} GUEST_PROTOCOL or EXEC_FRAME_TOO_LONG when the guest breaks the protocol; GUEST_FAILED
   * when it cannot tell how the job ended.
   */
  push(chunk: Buffer): JobEvent[] {
    return this.#frames.push(chunk).map((frame) => this.#eventOf(frame));
  }

  #eventOf(frame: Frame): JobEvent {
    if (this.#isOver) throw broken('a frame follows the last one');
    if (frame.type === FRAME.position) return this.#move(frame);
    if (!this.#hasPosition) throw broken('output without a position');
    if (frame.type === FRAME.pause) {
      this.#isOver = true;
      return { kind: 'pause' };
    }
    const event = execEventOf(frame);
    switch (event.kind) {
      case 'stdout':
      case 'stderr':
        this.#cursor += event.chunk.length;
        if (!Number.isSafeInteger(this.#cursor)) throw broken('a position that is too large');
        return { ...event, cursor: this.#cursor };
      case 'exit':
        this.#isOver = true;
        return event;
      case 'error':
        throw new AppError('GUEST_FAILED', `Cannot read the output of the job: ${event.message}`);
      default:
        throw broken('a frame that no job sends');
    }
  }

  #move({ payload }: Frame): JobEvent {
    const { at, dropped } = positionOf(payload);
    if (at - this.#cursor !== dropped || dropped < 0) throw broken('a position that does not fit');
    this.#cursor = at;
    this.#hasPosition = true;
    return { kind: 'position', cursor: at, droppedBytes: dropped };
  }
}

function positionOf(payload: Buffer): { at: number; dropped: number } {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw broken('a position whose JSON is damaged');
  }
  const { at, dropped } = { ...(value as Record<string, unknown> | null) };
  if (Number.isSafeInteger(at) && Number.isSafeInteger(dropped)) {
    return { at: at as number, dropped: dropped as number };
  }
  throw broken('a position without a number');
}

function broken(what: string): AppError {
  return new AppError('GUEST_PROTOCOL', `Cannot read the output of the job: the guest answered ${what}`);
}
