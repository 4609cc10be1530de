import { AppError, printable } from '../base/errors.ts';
import { FRAME, type Frame, FrameDecoder } from './exec-frames.ts';
import type { ExecExit, ExecFailureCode } from './guest.ts';

/**
 * What a command sends to the host, in this order: `started`, then output and acknowledgements, then `exit`
 * or `error`.
 */
export type ExecEvent =
  | { kind: 'started'; pid: number }
  | { kind: 'stdout' | 'stderr'; chunk: Buffer }
  /** how many bytes of input the command has taken since the last acknowledgement */
  | { kind: 'stdin-ack'; bytes: number }
  | { kind: 'exit'; exit: ExecExit }
  /** the command could not be started, or its guest was lost */
  | { kind: 'error'; code: ExecFailureCode; message: string };

/**
 * Decodes what the guest sends in an exec stream. The guest is not trusted: bytes that break the protocol are
 * an error.
 */
export class ExecEventDecoder {
  readonly #frames = new FrameDecoder();
  #isOver = false;

  /**
   * Takes the next chunk and returns its events. Output is a view of `chunk`.
   *
   * @throws {AppError} GUEST_PROTOCOL or EXEC_FRAME_TOO_LONG when the guest breaks the protocol.
   */
  push(chunk: Buffer): ExecEvent[] {
    return this.#frames.push(chunk).map((frame) => {
      if (this.#isOver) throw broken('a frame follows the last one', frame);
      const event = execEventOf(frame);
      this.#isOver = event.kind === 'exit' || event.kind === 'error';
      return event;
    });
  }

  /** True after the last frame: the stream may end now. */
  get isOver(): boolean {
    return this.#isOver;
  }
}

/**
 * Reads one frame of what a command sends.
 *
 * @throws {AppError} GUEST_PROTOCOL when it breaks the protocol.
 */
export function execEventOf(frame: Frame): ExecEvent {
  switch (frame.type) {
    case FRAME.stdout:
      return { kind: 'stdout', chunk: frame.payload };
    case FRAME.stderr:
      return { kind: 'stderr', chunk: frame.payload };
    case FRAME.stdinAck:
      if (frame.payload.length !== 4) throw broken('an acknowledgement is not 4 bytes long', frame);
      return { kind: 'stdin-ack', bytes: frame.payload.readUInt32BE(0) };
    case FRAME.started:
      return { kind: 'started', pid: integer(fields(frame)['pid'], frame) };
    case FRAME.exit:
      return { kind: 'exit', exit: exitOf(frame) };
    case FRAME.error:
      return failureOf(frame);
    default:
      throw broken('a frame of unknown type', frame);
  }
}

function exitOf(frame: Frame): ExecExit {
  const { code, signal, number, timedOut } = fields(frame);
  if (signal === undefined) {
    return { code: integer(code, frame), ...(timedOut === true ? { timedOut } : {}) };
  }
  if (typeof signal !== 'string') throw broken('a signal without a name', frame);
  return { signal: printable(signal), number: integer(number, frame) };
}

const FAILURE_CODES: readonly string[] = [
  'not_found',
  'not_executable',
  'bad_request',
  'failed',
  'lost',
  'no_space',
] satisfies ExecFailureCode[];

function failureOf(frame: Frame): ExecEvent {
  const { code, message } = fields(frame);
  if (typeof code !== 'string' || !isFailureCode(code)) throw broken('an error of unknown code', frame);
  if (typeof message !== 'string') throw broken('an error without a message', frame);
  return { kind: 'error', code, message: printable(message) };
}

function isFailureCode(code: string): code is ExecFailureCode {
  return FAILURE_CODES.includes(code);
}

function fields(frame: Frame): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(frame.payload.toString());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw broken('a frame whose JSON is damaged', frame);
  }
  if (typeof value !== 'object' || value === null) throw broken('a frame without fields', frame);
  return { ...value };
}

function integer(value: unknown, frame: Frame): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw broken('a number is missing', frame);
  return value;
}

function broken(what: string, frame: Frame): AppError {
  return new AppError('GUEST_PROTOCOL', `Cannot follow the command in the guest: ${what}`, {
    details: { frameType: frame.type },
  });
}
