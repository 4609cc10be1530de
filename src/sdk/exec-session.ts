import type { Duplex } from 'node:stream';
import type { Abortable } from '../base/abort.ts';
import { AppError } from '../base/errors.ts';
import { ExecEventDecoder } from '../protocol/exec-events.ts';
import { encodeJsonFrame, FRAME } from '../protocol/exec-frames.ts';
import { ExecStdin } from '../protocol/exec-stdin.ts';
import {
  type ExecExit,
  type ExecFailureCode,
  type ExecStart,
  type TerminalSize,
  WAITS_FOR_SPACE_HINT,
} from '../protocol/guest.ts';
import { lostError } from './errors.ts';

/** Output and end of a command in the guest; `exit` comes last. A pty has only `stdout`. */
export type ExecOutput = { kind: 'stdout' | 'stderr'; chunk: Buffer } | { kind: 'exit'; exit: ExecExit };

/** The whole output of a command, and how it ended. */
export interface CollectedOutput {
  exit: ExecExit;
  stdout: Buffer;
  stderr: Buffer;
}

/** Default limit of {@link ExecSession.collect}, in `bytes`. */
const MAX_COLLECTED_BYTES = 64 * 1024 * 1024;

/**
 * A command that runs in the guest. Disposing of the session before the command exits makes the agent kill
 * its process group. Disposing twice is fine.
 */
export interface ExecSession extends Disposable {
  /**
   * Returns the command's output, up to its exit; call it once. While the output is not read, the command is
   * blocked when it writes.
   *
   * @throws {AppError} COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE or COMMAND_NOT_STARTED when the command
   * could not be started; DAEMON_LOST when the stream ended before the command did; GUEST_LOST when the guest
   * is gone or its agent stopped answering; GUEST_PROTOCOL when the guest breaks the protocol. The abort
   * reason after an abort.
   */
  output(): AsyncGenerator<ExecOutput, void, undefined>;
  /**
   * Ends the input and returns all output; use it instead of {@link output}. Throws the same errors, and
   * COMMAND_OUTPUT_TOO_LONG beyond `maxBytes` (default 64 MiB).
   */
  collect(options?: { maxBytes?: number }): Promise<CollectedOutput>;
  /** Sends input; settles when there is room for more. Input after the command's end is dropped. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the input; the command reads an end of file. */
  end(): void;
  /** Sets the size of a pty. */
  resize(size: TerminalSize): void;
  /** Sends a signal to the command's process group. */
  sendSignal(signal: NodeJS.Signals): void;
}

/**
 * Starts a command on a stream of exec frames, which the session then owns. An abort ends it. `ref` is the
 * caller's name for the VM, for hints.
 */
export function startExec(
  stream: Duplex,
  start: ExecStart,
  { ref, signal }: Abortable & { ref: string },
): ExecSession {
  const stdin = new ExecStdin(stream);
  const send = (type: number, value: unknown): void => {
    if (!stream.destroyed && !stream.writableEnded) stream.write(encodeJsonFrame(type, value));
  };
  const close = (): void => {
    stdin.close();
    stream.destroy();
  };
  stream.once('close', close);
  const end = (): void => {
    if (!stream.destroyed) stdin.end();
  };
  const output = (): AsyncGenerator<ExecOutput, void, undefined> =>
    outputOf(stream, { stdin, program: nameOf(start), ref, signal, close });
  send(FRAME.start, start);
  return {
    output,
    async collect({ maxBytes = MAX_COLLECTED_BYTES } = {}) {
      end();
      return await collected(output(), maxBytes);
    },
    write: (bytes) => stdin.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
    end,
    resize: ({ rows, cols }) => send(FRAME.resize, { rows, cols }),
    sendSignal: (name) => send(FRAME.signal, { signal: name }),
    [Symbol.dispose]: close,
  };
}

async function collected(output: AsyncIterable<ExecOutput>, maxBytes: number): Promise<CollectedOutput> {
  const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
  let bytes = 0;
  for await (const event of output) {
    if (event.kind === 'exit') {
      return { exit: event.exit, stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr) };
    }
    bytes += event.chunk.length;
    if (bytes > maxBytes) {
      throw new AppError(
        'COMMAND_OUTPUT_TOO_LONG',
        `Cannot collect the output: it is longer than ${maxBytes} bytes`,
      );
    }
    chunks[event.kind].push(event.chunk);
  }
  throw lostError('a command in the guest');
}

interface OutputSource extends Abortable {
  stdin: ExecStdin;
  program: string;
  ref: string;
  close: () => void;
}

async function* outputOf(
  stream: Duplex,
  { stdin, program, ref, signal, close }: OutputSource,
): AsyncGenerator<ExecOutput, void, undefined> {
  const decoder = new ExecEventDecoder();
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (const event of decoder.push(chunk)) {
        switch (event.kind) {
          case 'started':
            break;
          case 'stdin-ack':
            stdin.acknowledge(event.bytes);
            break;
          case 'error':
            throw notStarted(event, { program, ref });
          case 'exit':
            yield event;
            return;
          default:
            yield event;
        }
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AppError) throw error;
    throw lostError('a command in the guest', error);
  } finally {
    close();
  }
  signal.throwIfAborted();
  throw lostError('a command in the guest');
}

const START_CODES: Readonly<Record<ExecFailureCode, string>> = {
  not_found: 'COMMAND_NOT_FOUND',
  not_executable: 'COMMAND_NOT_EXECUTABLE',
  bad_request: 'COMMAND_NOT_STARTED',
  failed: 'COMMAND_NOT_STARTED',
  lost: 'GUEST_LOST',
  no_space: 'HOST_NO_SPACE',
};

function notStarted(
  { code, message }: { code: ExecFailureCode; message: string },
  { program, ref }: { program: string; ref: string },
): AppError {
  if (code === 'lost') {
    return new AppError('GUEST_LOST', message, { hint: `banger vm logs ${ref}`, details: { program } });
  }
  if (code === 'no_space') {
    return new AppError('HOST_NO_SPACE', message, { hint: WAITS_FOR_SPACE_HINT, details: { program } });
  }
  return new AppError(START_CODES[code], `Cannot run "${program}" in the guest: ${message}`, {
    hint: code === 'not_found' ? 'install it in the guest, or give its full path' : undefined,
    details: { program },
  });
}

function nameOf({ argv: [program = ''] }: ExecStart): string {
  return typeof program === 'string' ? program : Buffer.from(program.b64, 'base64').toString();
}
